#!/usr/bin/perl
# translate.pl FROM TO NAME.cu [EDITS...]: copies a kernel and the headers of its folder, but for those that shim/
# stands for, to the folder TO, as C++ that runs in the emulator; kernels' files stay free of it. Needs nothing
# but what Debian calls perl-base.
#
# EDITS are files of paragraphs `name`, `file`, `from` and `to`: `from` must be in the file once. FAULT in `to` is
# whether the run asked for the fault of that name.
use strict;
use warnings;
use File::Basename;

my ($from, $to, $kernel, @edits) = @ARGV;
my $shims = dirname(__FILE__) . "/shim";

sub contents {
    open(my $file, "<", $_[0]) or die "$_[0]: $!";
    local $/;
    return <$file>;
}

# What C++ has other words for: shared memory is the running block's, a kernel's parameters stay where they are,
# and the two quick functions are exact.
sub translated {
    my ($text) = @_;
    $text =~ s/extern __shared__ (?:__align__\(\w+\) )?([\w:\s]+?)(\w+)\[\];/$1* $2 = reinterpret_cast<$1*>(::emulator::shared_memory());/g;
    $text =~ s/^(\s*)(?:alignas\(\w+\) )?__shared__ (?:__align__\(\w+\) )?([\w:]+) (\w+)((?:\[[^\]]+\])*);/$1auto& $3 = *static_cast<std::type_identity_t<$2$4>*>(::emulator::static_shared(sizeof($2$4), __FILE__, __LINE__));/mg;
    $text =~ s/const __grid_constant__ (\w+) /const $1& /g;
    $text =~ s/asm\("ex2\.approx\.ftz\.f32 %0, %1;" : "=f"\((\w+)\) : "f"\((\w+)\)\);/$1 = exp2f($2);/g;
    $text =~ s/asm\("rcp\.approx\.ftz\.f32 %0, %1;" : "=f"\((\w+)\) : "f"\((\w+)\)\);/$1 = 1.0F \/ $2;/g;
    $text =~ s/^#pragma unroll.*$//mg;
    return $text;
}

my %files = map { basename($_) => contents($_) }
    grep { !-e "$shims/" . basename($_) } glob("$from/*.cuh $from/*.hpp $from/$kernel");
for my $list (@edits) {
    for my $paragraph (grep { /^name/m } split(/\n\n+/, contents($list))) {
        my %edit = $paragraph =~ /^(name|file|from|to)\s+(.*)$/mg;
        die "$list: no $edit{file}\n" if !-e "$from/$edit{file}";
        next if $edit{file} =~ /\.cu$/ && $edit{file} ne $kernel;
        my $text = \$files{$edit{file}};
        my $found = () = $$text =~ /\Q$edit{from}\E/g;
        die "$list: $edit{name}: $found times in $edit{file}: $edit{from}\n" if $found != 1;
        $edit{to} =~ s/\bFAULT\b/::emulator::faulty("$edit{name}")/g;
        $$text =~ s/\Q$edit{from}\E/$edit{to}/;
    }
}
for my $name (keys %files) {
    open(my $file, ">", "$to/$name") or die "$to/$name: $!";
    print $file translated($files{$name});
}
