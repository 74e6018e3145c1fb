"""Every table of inversions: records, findings, and which of them make one shard."""

from ganaudit.studies.inversion.finding_tables import FINDINGS as FINDINGS
from ganaudit.studies.inversion.record_tables import GROWN as GROWN
from ganaudit.studies.inversion.record_tables import RECORDS as RECORDS
from ganaudit.studies.inversion.record_tables import SHARDS as SHARDS
