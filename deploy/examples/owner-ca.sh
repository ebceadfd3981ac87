#!/bin/sh
# At the owner's desk, with nothing but OpenSSL: a root of your own that signs the device CAs of your stations.
#   owner-ca.sh root DIR NAME            once: DIR/root.pem and DIR/root-key.pem. The key stays offline.
#   owner-ca.sh sign DIR REQUEST CERT    for each station: REQUEST is what `mintmark init --ca-request` wrote
# At the station: mintmark ca install CERT DIR/root.pem
# Compare the fingerprint that `sign` prints with the station's: openssl req -in REQUEST -noout -pubkey | openssl sha256
set -eu
umask 077
case "${1:-}" in
root)
  mkdir -p "$2"
  [ ! -e "$2/root-key.pem" ] || { echo "there is a root in $2 already" >&2; exit 1; }
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$2/root-key.pem"
  openssl req -x509 -new -key "$2/root-key.pem" -sha384 -days 9131 -subj "/CN=$3" -out "$2/root.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
  ;;
sign)
  openssl req -in "$3" -noout -verify
  openssl req -in "$3" -noout -pubkey | openssl sha256
  extensions=$(mktemp)
  trap 'rm -f "$extensions"' EXIT
  # Never what the request asks for: a device CA issues device certificates and nothing below itself.
  cat > "$extensions" <<EOF
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
EOF
  openssl x509 -req -in "$3" -CA "$2/root.pem" -CAkey "$2/root-key.pem" -days 7305 -sha384 \
    -set_serial "0x$(openssl rand -hex 16)" -extfile "$extensions" -out "$4"
  ;;
*)
  sed -n '2,5s/^# //p' "$0" >&2
  exit 2
  ;;
esac
