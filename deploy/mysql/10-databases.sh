#!/bin/sh
# One database and one user per service; run once, by the MySQL image, at its first start.
set -eu
for service in auth patient doctor scheduling admin notify; do
    variable="$(echo "$service" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD"
    eval "password=\$$variable"
    MYSQL_PWD="$MYSQL_ROOT_PASSWORD" mysql -uroot <<SQL
CREATE DATABASE IF NOT EXISTS \`$service\` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '$service'@'%' IDENTIFIED BY '$password';
GRANT ALL ON \`$service\`.* TO '$service'@'%';
SQL
done
