"""What one person said alone to stations is counted (security.md W-21), and found without reading other commands."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('stations', '0052_events_of_places'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='command',
            index=models.Index(
                condition=models.Q(
                    (
                        'command__in',
                        [
                            'call', 'delete_certificate', 'install_certificate', 'publish_firmware',
                            'renew_certificate', 'reset', 'rotate_password', 'set_network_profile',
                            'set_variables', 'unpublish_firmware', 'update_firmware',
                        ],
                    )
                ),
                fields=['organization', '-id'],
                name='command_of_two_persons',
            ),
        ),
    ]
