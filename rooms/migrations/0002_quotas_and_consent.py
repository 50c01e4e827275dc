from django.db import migrations, models

# What the log says of those who have left already.
LEFT = """
    UPDATE rooms_membership SET left_voluntarily = TRUE
    WHERE left_seq IS NOT NULL AND EXISTS (
        SELECT 1 FROM rooms_entry e
        WHERE e.room_id = rooms_membership.room_id AND e.seq = rooms_membership.left_seq AND e.kind = 'member.left'
    )
"""
# The quotas whose level is the number of what there is.
MEMBERSHIPS = """
    INSERT INTO accounts_usage (user_id, quota, level, at)
    SELECT user_id, 'memberships', count(*), 0 FROM rooms_membership WHERE left_seq IS NULL GROUP BY user_id
"""
ROOMS_OWNED = """
    INSERT INTO accounts_usage (user_id, quota, level, at)
    SELECT user_id, 'rooms_owned', count(*), 0 FROM rooms_membership WHERE left_seq IS NULL AND role = 40 GROUP BY user_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_quotas_and_consent'),
        ('rooms', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='left_voluntarily',
            field=models.BooleanField(default=False),
        ),
        migrations.RunSQL(LEFT, migrations.RunSQL.noop),
        migrations.RunSQL(MEMBERSHIPS, "DELETE FROM accounts_usage WHERE quota = 'memberships'"),
        migrations.RunSQL(ROOMS_OWNED, "DELETE FROM accounts_usage WHERE quota = 'rooms_owned'"),
    ]
