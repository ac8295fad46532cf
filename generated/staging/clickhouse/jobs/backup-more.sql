-- Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.

BACKUP DATABASE oddspipe
TO Disk('backups', {name:String})
SETTINGS base_backup = Disk('backups', {base:String});
