#!/bin/sh
# One database and one user per service; run once, by the MySQL image, at its first start.
# The user of admin-service has no privilege yet: `careslot migrate` gives it those that it needs, as the user `admin_migration`,
# so that the service can append to the audit trail and not change it. `admin_retention` may delete old lines of the audit trail.
set -eu
create_user() {
    variable="$(echo "$1" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD"
    eval "password=\$$variable"
    MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -uroot <<SQL
CREATE DATABASE IF NOT EXISTS \`$2\` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '$1'@'%' IDENTIFIED BY '$password';
$3
SQL
}
for service in auth patient doctor scheduling notify; do
    create_user "$service" "$service" "GRANT ALL ON \`$service\`.* TO '$service'@'%';"
done
create_user admin admin ""
create_user admin_retention admin ""
create_user admin_migration admin "GRANT ALL ON \`admin\`.* TO 'admin_migration'@'%' WITH GRANT OPTION;"
