#!/bin/sh
# embed.sh NAME FOLDER OUT "a|b|c": writes C++ that returns each file's bytes by its path.
set -eu
name=$1 folder=$2 out=$3
mkdir -p "$(dirname "$out")"
{
  printf '#include <string_view>\nnamespace mintmark::embedded {\nstd::string_view %s(std::string_view path) {\n' "$name"
  i=0
  IFS='|'
  for file in $4; do
    printf '  static const unsigned char f%d[] = {' "$i"
    od -An -v -tu1 "$folder/$file" | tr -s ' \n' ',' | sed 's/^,//'
    printf '0};\n  if (path == "%s") return {reinterpret_cast<const char*>(f%d), sizeof f%d - 1};\n' "$file" "$i" "$i"
    i=$((i + 1))
  done
  printf '  return {};\n}\n}  // namespace mintmark::embedded\n'
} >"$out.tmp"
mv "$out.tmp" "$out"
