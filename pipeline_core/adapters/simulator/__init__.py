"""A feed that is made up, around made-up or recorded games, with faults on demand; seeded."""
