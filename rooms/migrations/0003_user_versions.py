import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def set_fillfactor(apps, schema_editor):
    """As in `0001_initial`, for a row that every `read` rewrites."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE rooms_userhead SET (fillfactor = 50)")


class Migration(migrations.Migration):

    dependencies = [
        ('rooms', '0002_quotas_and_consent'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='UserHead',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('version', models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='membership',
            name='added_version',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='membership',
            name='read_version',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='membership',
            name='user_version',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name='membership',
            index=models.Index(condition=models.Q(('user_version__gt', 0)), fields=['user', 'user_version'], name='rooms_changed_for_user'),
        ),
        migrations.RunPython(set_fillfactor, migrations.RunPython.noop),
    ]
