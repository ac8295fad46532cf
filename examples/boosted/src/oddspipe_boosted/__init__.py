"""Boosted trees of XGBoost as an odds model of oddspipe."""
