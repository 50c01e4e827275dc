import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import foundation.fields


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('rooms', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Message',
            fields=[
                ('pk', models.CompositePrimaryKey('room_id', 'id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('id', models.BigIntegerField()),
                ('seq', models.BigIntegerField()),
                ('text', models.TextField()),
                ('reply_to', models.BigIntegerField(null=True)),
                ('data', foundation.fields.ExactJSONField(default=dict)),
                ('client_id', models.CharField(max_length=64)),
                ('digest', models.BinaryField(max_length=16)),
                ('created_at', models.DateTimeField()),
                ('edited_at', models.DateTimeField(null=True)),
                ('deleted_at', models.DateTimeField(null=True)),
                ('room', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='rooms.room')),
                ('sender', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('room', 'sender', 'client_id'), name='one_message_per_client_id')],
            },
        ),
    ]
