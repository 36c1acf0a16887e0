#!/bin/sh
# Makes the passwords that docker-compose.yml asks for, where there are none yet, and the Redis users that have them.
#
# Only who may enter the folder reaches the files; within, the users of the containers have to be able to read them.
set -eu
umask 077
cd "$(dirname "$0")"
folder=${1:-secrets}
mkdir -p "$folder"

write() { # a file, from standard input, in one step
    cat > "$folder/.$1"
    chmod 444 "$folder/.$1"
    mv -f "$folder/.$1" "$folder/$1"
}

for name in redis_api redis_worker redis_monitor grafana_admin; do
    [ -s "$folder/$name" ] || head -c 32 /dev/urandom | od -A n -t x1 | tr -d ' \n' | write "$name"
done

users=$(cat redis/users.acl)
for user in api worker monitor; do
    digest=$(sha256sum "$folder/redis_$user" | cut -d ' ' -f 1)
    users=$(printf '%s\n' "$users" | sed "s/>change-the-password-of-$user /#$digest /")
done
printf '%s\n' "$users" | write users.acl
# Versions of the exporter differ in whether they look for its user's name in the address.
password=$(cat "$folder/redis_monitor")
printf '{"redis://monitor@redis:6379": "%s", "redis://redis:6379": "%s"}\n' "$password" "$password" | write redis_exporter.json
