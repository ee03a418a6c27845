"""Events that the service could not handle, until they are replayed."""

from shared.kit.migrations.v2 import create_dead_letters, drop_dead_letters

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    create_dead_letters()


def downgrade() -> None:
    drop_dead_letters()
