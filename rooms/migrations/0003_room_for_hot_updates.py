"""Leave room in the pages of what every send rewrites, so that PostgreSQL updates it in place (HOT)."""

from django.db import migrations


def leave_room(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE rooms_head SET (fillfactor = 50)")
        schema_editor.execute("ALTER TABLE rooms_membership SET (fillfactor = 80)")


class Migration(migrations.Migration):
    dependencies = [("rooms", "0002_no_constraints_on_hot_tables")]
    operations = [migrations.RunPython(leave_room, migrations.RunPython.noop)]
