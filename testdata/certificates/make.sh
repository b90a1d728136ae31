#!/bin/sh
# Makes the certificates of this folder anew, good for a hundred years. For tests only: the keys are public.
set -eu
cd "$(dirname "$0")"
DAYS=36500
new_key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }
authority() { # NAME SUBJECT
  new_key "$1.key"
  openssl req -x509 -new -key "$1.key" -subj "$2" -days $DAYS -out "$1.pem"
}
signed() { # NAME SUBJECT AUTHORITY EXTENSIONS
  new_key "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  printf '%s\n' "$4" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days $DAYS -extfile "$1.ext" -out "$1.crt"
  cat "$1.key" "$1.crt" > "$1.pem"
}
authority ca "/C=DE/O=Millrace/CN=Test authority"
authority stranger "/CN=Somebody else's authority"
signed server "/C=DE/O=Millrace/CN=broker" ca "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
signed elsewhere "/C=DE/O=Millrace/CN=elsewhere" ca "subjectAltName=DNS:elsewhere.example"
signed alice "/C=DE/O=Millrace/OU=Kitchen, second/CN=alice" ca "extendedKeyUsage=clientAuth"
signed mallory "/CN=alice" stranger "extendedKeyUsage=clientAuth"
openssl pkcs8 -topk8 -in alice.key -passout pass:key-secret -out alice-encrypted.key
cat alice-encrypted.key alice.crt > alice-encrypted.pem
openssl pkcs12 -export -inkey server.key -in server.crt -certfile ca.pem -passout pass:store-secret -out server.p12
rm -f ./*.csr ./*.ext ./*.srl ./*.key ./*.crt
