#!/bin/sh
# Back up the tracking server into a new folder named by the day:
#
#     deploy/backup.sh /var/backups/onet-gwa /var/lib/onet-gwa/artifacts
#
# The databases come first, so that the files they name are among those that come after. What is written or removed
# while tar reads, they do not need; tar's status is 1 then, and 2 for what it cannot read. A folder that has its name
# is whole; one that ends in .part is of a backup that was cut off. PGHOST and the like say where PostgreSQL is.
set -eu
umask 077
[ $# = 2 ] || { echo "backup.sh: name two folders: where the backups are, and the artifacts" >&2; exit 2; }
folder="$1/$(date +%F)"
[ ! -e "$folder" ] || { echo "backup.sh: $folder is there; move it away for another one of today" >&2; exit 1; }
rm -rf "$folder.part"
mkdir -p "$folder.part"
for database in mlflow mlflow_auth; do
    pg_dump --format=custom --file="$folder.part/$database.dump" "$database"
done
tar --create --file="$folder.part/artifacts.tar" --directory="$2" . || [ $? = 1 ]
mv "$folder.part" "$folder"
