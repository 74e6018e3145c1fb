"""Every table of steering: records, findings, and which of them make one shard."""

from ganaudit.studies.steering.finding_tables import FINDINGS as FINDINGS
from ganaudit.studies.steering.record_tables import RECORDS as RECORDS
from ganaudit.studies.steering.record_tables import SHARDS as SHARDS
