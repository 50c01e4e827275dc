import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import foundation.fields


def set_fillfactors(apps, schema_editor):
    """Leaves free space in the pages of rows that every send rewrites, so that PostgreSQL updates them in place (HOT)."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE rooms_head SET (fillfactor = 50)")
        schema_editor.execute("ALTER TABLE rooms_membership SET (fillfactor = 80)")


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    # Foreign keys that are part of a composite primary key must be inside CreateModel: `makemigrations` would add them
    # in a later operation, and the key would name a column that does not exist yet.
    operations = [
        migrations.CreateModel(
            name='Room',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('public', 'public'), ('private', 'private')], max_length=10)),
                ('name', models.CharField(max_length=100)),
                ('topic', models.CharField(blank=True, max_length=500)),
                ('avatar_url', models.CharField(blank=True, max_length=2048)),
                ('data', foundation.fields.ExactJSONField(default=dict)),
                ('member_count', models.PositiveIntegerField(default=0)),
                ('slow_mode_s', models.PositiveIntegerField(default=0)),
                ('created_at', models.DateTimeField()),
                ('archived_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('kind', 'public')), fields=['id'], name='rooms_public')],
            },
        ),
        migrations.CreateModel(
            name='Epoch',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('value', models.UUIDField(default=uuid_utils.compat.uuid7)),
            ],
        ),
        migrations.CreateModel(
            name='Head',
            fields=[
                ('room', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='head', serialize=False, to='rooms.room')),
                ('seq', models.BigIntegerField(default=0)),
                ('message_id', models.BigIntegerField(default=0)),
                ('floor', models.BigIntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('pk', models.CompositePrimaryKey('room_id', 'user_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('room', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='rooms.room')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('role', models.PositiveSmallIntegerField(choices=[(10, 'Member'), (20, 'Moderator'), (30, 'Admin'), (40, 'Owner')], default=10)),
                ('read_id', models.BigIntegerField(default=0)),
                ('notify', models.CharField(default='all', max_length=10)),
                ('muted_until', models.DateTimeField(null=True)),
                ('joined_seq', models.BigIntegerField()),
                ('left_seq', models.BigIntegerField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('left_seq__isnull', True)), fields=['user', 'room'], name='rooms_of_user')],
            },
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('pk', models.CompositePrimaryKey('room_id', 'seq', blank=True, editable=False, primary_key=True, serialize=False)),
                ('room', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='rooms.room')),
                ('seq', models.BigIntegerField()),
                ('kind', models.CharField(max_length=32)),
                ('actor_id', models.UUIDField()),
                ('message_id', models.BigIntegerField(null=True)),
                ('user_id', models.UUIDField(null=True)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.RunPython(set_fillfactors, migrations.RunPython.noop),
    ]
