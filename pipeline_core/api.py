"""What a plug-in may import: everything here is kept stable, nothing else is."""

from oddspipe.core.batch.batch import Batch, Payloads
from oddspipe.core.batch.rejects import Reason, Rejects
from oddspipe.core.errors import OddsError, PluginError, RetryableError, RunError, UsageError
from oddspipe.core.joint import JointGrid, KeyNumbers, NormalScores, Overtime
from oddspipe.core.names import Guarantee, Kind, Market, Side, Status
from oddspipe.core.ports.fitting import Ends, Fitting, Rater
from oddspipe.core.ports.model import Doubt, GameStates, OddsModel, Pmf, ScoreDistribution
from oddspipe.core.ports.output import Odds, Output, Rollups
from oddspipe.core.ports.sink import Sink, SinkPlace
from oddspipe.core.ports.source import Source
from oddspipe.ext.blend import blend, chase
from oddspipe.ext.normal import cdf as normal_cdf
from oddspipe.ext.normal import sf as normal_sf

__all__ = [
    "Batch",
    "Doubt",
    "Ends",
    "Fitting",
    "GameStates",
    "Guarantee",
    "JointGrid",
    "KeyNumbers",
    "Kind",
    "Market",
    "NormalScores",
    "Odds",
    "OddsError",
    "OddsModel",
    "Output",
    "Overtime",
    "Payloads",
    "PluginError",
    "Pmf",
    "Rater",
    "Reason",
    "Rejects",
    "RetryableError",
    "Rollups",
    "RunError",
    "ScoreDistribution",
    "Side",
    "Sink",
    "SinkPlace",
    "Source",
    "Status",
    "UsageError",
    "blend",
    "chase",
    "normal_cdf",
    "normal_sf",
]
