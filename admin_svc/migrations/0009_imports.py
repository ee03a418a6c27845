"""Files of doctors and patients whose rows are created one after the other."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, MediumText, UtcDateTime, binary_string

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", binary_string(16), nullable=False),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("created_by_role", binary_string(16), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("retry_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
    )
    op.create_index("imports_by_end", "imports", ["finished_at", "created_at", "id"])
    op.create_index("imports_by_time", "imports", ["created_at", "id"])
    op.create_table(
        "import_rows",
        sa.Column("import_id", Id, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("target_id", Id),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("fields", MediumText),
        sa.Column("code", binary_string(48)),
        sa.Column("detail", sa.String(300)),
        sa.Column("pointer", sa.String(100)),
    )
    op.create_index("import_rows_by_status", "import_rows", ["import_id", "status", "line"])


def downgrade() -> None:
    op.drop_table("import_rows")
    op.drop_table("imports")
