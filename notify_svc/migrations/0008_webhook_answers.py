"""Several replaced secrets of a webhook, and the answers to requests that made a secret."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0008"
down_revision = "0007"
WEBHOOKS = sa.table(
    "webhooks",
    sa.column("id", Id),
    sa.column("previous_secret", sa.Text),
    sa.column("previous_secret_until", UtcDateTime),
    sa.column("replaced_secrets", sa.JSON),
)


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("replaced_secrets", sa.JSON))
    connection = op.get_bind()
    for row in connection.execute(sa.select(WEBHOOKS)).all():
        replaced = [[row.previous_secret, row.previous_secret_until.isoformat() + "+00:00"]] if row.previous_secret else []
        connection.execute(sa.update(WEBHOOKS).where(WEBHOOKS.c.id == row.id).values(replaced_secrets=replaced))
    with op.batch_alter_table("webhooks") as table:
        table.alter_column("replaced_secrets", existing_type=sa.JSON, nullable=False)
        for name in ("previous_secret", "previous_secret_until", "rotation_id"):
            table.drop_column(name)
    op.create_table(
        "webhook_answers",
        sa.Column("operation_id", Id, primary_key=True),
        sa.Column("fingerprint", binary_string(64), nullable=False),
        sa.Column("webhook", sa.JSON, nullable=False),
        sa.Column("answered_at", UtcDateTime, nullable=False),
    )
    op.create_index("webhook_answers_by_age", "webhook_answers", ["answered_at"])


def downgrade() -> None:
    op.drop_table("webhook_answers")
    with op.batch_alter_table("webhooks") as table:
        table.drop_column("replaced_secrets")
        table.add_column(sa.Column("previous_secret", sa.Text))
        table.add_column(sa.Column("previous_secret_until", UtcDateTime))
        table.add_column(sa.Column("rotation_id", Id))
