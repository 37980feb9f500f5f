# An SPDX 2.3 document (tag-value) from components.txt.
#   awk -v version=0.1.0 -v created=2026-01-01T00:00:00Z -v versions="zstd-package=1.5 ..." -f spdx.awk components.txt
function component(id, name, number, licence, home, holder) {
    printf "\nPackageName: %s\nSPDXID: SPDXRef-%s\nPackageVersion: %s\n", name, id, number
    printf "PackageDownloadLocation: %s\nFilesAnalyzed: false\n", home
    printf "PackageLicenseConcluded: %s\nPackageLicenseDeclared: %s\n", licence, licence
    printf "PackageCopyrightText: <text>%s</text>\n", holder
}
function relation(from, kind, to) { relations = relations sprintf("Relationship: %s %s %s\n", from, kind, to) }
BEGIN {
    FS = "\t"
    count = split(versions, list, " ")
    for (i = 1; i <= count; ++i) {
        at = index(list[i], "=")
        number_of[substr(list[i], 1, at - 1)] = substr(list[i], at + 1)
    }
    print "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT"
    printf "DocumentName: sipo-%s\nDocumentNamespace: https://sipo.example/spdx/sipo-%s\n", version, version
    printf "Creator: Tool: sipo-packaging-sbom\nCreated: %s\n", created
    component("sipo", "sipo", version, "Apache-2.0", "NOASSERTION", "the authors of Sipo")
    component("sipo-cuda", "sipo-cuda", version, "Apache-2.0", "NOASSERTION", "the authors of Sipo")
    relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-sipo")
    relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-sipo-cuda")
    relation("SPDXRef-sipo-cuda", "OPTIONAL_COMPONENT_OF", "SPDXRef-sipo")
}
/^#/ { next }
{
    id = $1
    gsub(/[^A-Za-z0-9.-]/, "-", id)
    number = ($4 in number_of) ? number_of[$4] : "NOASSERTION"
    component(id, $1, number, $5, $6, $7)
    if ($4 in number_of) printf "ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/%s@%s\n", $4, number
    printf "PackageComment: <text>%s: %s</text>\n", $2, $3
    if ($2 == "shared") relation("SPDXRef-sipo", "DYNAMIC_LINK", "SPDXRef-" id)
    else if ($2 == "header") relation("SPDXRef-sipo", "STATIC_LINK", "SPDXRef-" id)
    else if ($2 == "static") relation("SPDXRef-sipo-cuda", "STATIC_LINK", "SPDXRef-" id)
    else if ($2 == "plugin") relation("SPDXRef-sipo-cuda", "DYNAMIC_LINK", "SPDXRef-" id)
    else relation("SPDXRef-" id, "BUILD_TOOL_OF", "SPDXRef-sipo")
}
END {
    printf "\n%s", relations
    print "\nLicenseID: LicenseRef-NVIDIA-CUDA-EULA\nLicenseName: NVIDIA CUDA Toolkit End User License Agreement"
    print "ExtractedText: <text>https://docs.nvidia.com/cuda/eula/</text>"
}
