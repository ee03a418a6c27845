"""The copy of the clinic's settings, which count while admin-service does not answer."""

from shared.kit.migrations.v4 import create_clinic_settings_copy, drop_clinic_settings_copy

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    create_clinic_settings_copy()


def downgrade() -> None:
    drop_clinic_settings_copy()
