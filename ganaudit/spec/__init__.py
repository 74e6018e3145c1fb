"""The audit file: its parts, loading, mistakes."""

from ganaudit.spec.fields import MAX_SIDE as MAX_SIDE
from ganaudit.spec.file import load as load
from ganaudit.spec.file import parse as parse
from ganaudit.spec.file import with_store as with_store
from ganaudit.spec.models import AnyParser as AnyParser
from ganaudit.spec.models import AnySource as AnySource
from ganaudit.spec.models import AuditSpec as AuditSpec
from ganaudit.spec.models import Decide as Decide
from ganaudit.spec.models import FactoryParser as FactoryParser
from ganaudit.spec.models import FactorySource as FactorySource
from ganaudit.spec.models import FolderSource as FolderSource
from ganaudit.spec.models import Invert as Invert
from ganaudit.spec.models import MasksParser as MasksParser
from ganaudit.spec.models import MasksSource as MasksSource
from ganaudit.spec.models import Method as Method
from ganaudit.spec.models import Run as Run
from ganaudit.spec.models import Sample as Sample
from ganaudit.spec.models import Slice as Slice
from ganaudit.spec.models import TrainedSource as TrainedSource
from ganaudit.spec.models import UnetParser as UnetParser
from ganaudit.spec.models import VillageSource as VillageSource
from ganaudit.spec.models import WeightsSource as WeightsSource
