"""The id of the operation of an idempotency key, which is the same for all runs of a request."""

from shared.kit.migrations.v3 import add_operation_ids, drop_operation_ids

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    add_operation_ids()


def downgrade() -> None:
    drop_operation_ids()
