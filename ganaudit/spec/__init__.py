"""The audit file: its parts, loading, mistakes."""

from ganaudit.options import FactoryParser as FactoryParser
from ganaudit.options import FactorySource as FactorySource
from ganaudit.options import ParserPart as ParserPart
from ganaudit.options import Source as Source
from ganaudit.options import TrainedSource as TrainedSource
from ganaudit.options import WeightsSource as WeightsSource
from ganaudit.spec.file import load as load
from ganaudit.spec.file import parse as parse
from ganaudit.spec.file import with_store as with_store
from ganaudit.spec.models import AuditSpec as AuditSpec
from ganaudit.spec.models import Decide as Decide
from ganaudit.spec.models import Expected as Expected
from ganaudit.spec.models import Run as Run
from ganaudit.spec.models import Sample as Sample
from ganaudit.spec.models import Slice as Slice
from ganaudit.spec.studies import RECONSTRUCTIONS as RECONSTRUCTIONS
from ganaudit.spec.studies import Invert as Invert
from ganaudit.spec.studies import Method as Method
from ganaudit.spec.studies import Reconstructed as Reconstructed
from ganaudit.spec.studies import Steer as Steer
