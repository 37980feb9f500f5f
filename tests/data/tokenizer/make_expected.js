// Writes strings.bin, *.ids, *.decoded and the small tokenizers; README.md says what they are.
// node make_expected.js PACKAGE_FOLDER GPT_NEOX_JSON PASSKEY_JSON OUT_FOLDER TEXT_FILE...
'use strict';
const fs = require('fs');
const path = require('path');
const [packageFolder, neoxFile, passkeyFile, outFolder, ...textFiles] = process.argv.slice(2);
const hf = require(path.resolve(packageFolder));

let state = 20240607;
function random(n) {  // mulberry32: the same numbers on every run
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
}
const pick = (list) => list[random(list.length)];
const several = (n, make) => Array.from({length: n}, make);
const joined = (n, make) => several(n, make).join('');

// Characters of Unicode 15.1 and later have other classes in older libraries.
const isSettled = (c) => (c < 0xd800 || c > 0xdfff) && !(c >= 0x2ebf0 && c <= 0x2ee5d) &&
    !(c >= 0x2ffc && c <= 0x2fff) && c !== 0x31ef &&
    !/\p{Cn}/u.test(String.fromCodePoint(c));
function codePoint(low, high) {
    for (;;) {
        const c = low + random(high - low + 1);
        if (isSettled(c)) return String.fromCodePoint(c);
    }
}

const ranges = [
    [0, 0x7f], [0x80, 0xff], [0x100, 0x24f], [0x250, 0x36f], [0x370, 0x52f], [0x590, 0x6ff],
    [0x900, 0x97f], [0x980, 0xdff], [0xe00, 0xeff], [0xf00, 0xfff], [0x1000, 0x11ff],
    [0x1200, 0x13ff], [0x1800, 0x1aff], [0x1e00, 0x1fff], [0x2000, 0x20ff], [0x2100, 0x2bff],
    [0x2e80, 0x30ff], [0x3400, 0x4dbf], [0x4e00, 0x9fff], [0xa000, 0xabff], [0xac00, 0xd7ff],
    [0xe000, 0xf8ff], [0xf900, 0xfaff], [0xfb00, 0xffff], [0x10000, 0x107ff], [0x10800, 0x10fff],
    [0x11000, 0x11fff], [0x12000, 0x1254f], [0x13000, 0x1342f], [0x16800, 0x16fff],
    [0x17000, 0x18cff], [0x1b000, 0x1b2ff], [0x1d000, 0x1d7ff], [0x1e000, 0x1eeff],
    [0x1f000, 0x1fbff], [0x20000, 0x2a6df], [0x2a700, 0x2ebe0], [0x30000, 0x323af],
    [0xe0000, 0xe01ef], [0xf0000, 0x10fffd],
];
const spaces = ['\t', '\n', '\v', '\f', '\r', '\r\n', ' ', '\x85', '\xa0', '\u1680', '\u180e',
    '\u2000', '\u2003', '\u200a', '\u200b', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000', '\ufeff'];
const marks = ['\u0300', '\u0301', '\u0308', '\u0323', '\u0327', '\u0328', '\u0331', '\u0345',
    '\u035c', '\u064b', '\u0651', '\u05b0', '\u05bc', '\u093c', '\u094d', '\u0f71', '\u0f72', '\u3099'];
const words = ["I'm", "you're", "WE'RE", "it's", "IT'S", "they'll", "THEY'LL", "don't", "I'd",
    "we've", "'s", "''s", "'", "'re", "x'y", '\u2019s', 'na\u00efve', 'cafe\u0301', '\u00c5ngstr\u00f6m',
    'A\u030angstrom', '\u212b', '\ufb01sh', '\u1e9b\u0323', '\u0928\u092e\u0938\u094d\u0924\u0947',
    '\u0627\u0644\u0633\u0644\u0627\u0645', '\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd',
    '\u1112\u1161\u11ab', '\ud55c\uae00', '\u4f60\u597d\u4e16\u754c', '\u304b\u3099', '\u00bd', '\u2167',
    '\u0661\u0662\u0663', '\u09e7\u09e8', '\u{1d7d8}\u{1d7d9}', '3.14', '1,000', '0x1F', 'x\u00b2',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', '\u{1f1e9}\u{1f1ea}', '\u{1f44d}\u{1f3fd}', '\u2764\ufe0f',
    '#\ufe0f\u20e3', '<|endoftext|>', '<|padding|>', '<|endoftext', '|>', '<|endoftext|>>', 'for (int i = 0; i < n; ++i) {',
    'def f(x):', '    return x', '\treturn', '// ---', 'a_b', '__init__', '!=', '->', '$$', 'https://x.org/?q=1#a',
    '\0', '\x01\x02', '\x1b[0m', '\x7f'];
// What the small tokenizers look for.
const fragments = ['<m>', '<l>', '<r>', ' ', '  ', '   ', '\t', '\u00a0', '\u3000', '\n', 'word', 'wordy', 'sword', '_',
    '-', '\u0301', 'e\u0301', '\u00e9', 'E\u0301', 'o\u0302\u0323', '\u1ed9', 'ab', 'abc', 'abcd', 'bc', 'bcd', 'c', 'hello', 'hell', ' hello',
    '\ufb01', 'fi', '1', '!', "'s", '\u00b2', '\u24b6', '\u200d', '\u0660'];

function spaceStrings() {
    const out = [];
    for (const c of [' ', '\t', '\n', '\r\n', '\u00a0', '\u3000']) {
        for (let n = 1; n <= 40; ++n) {
            out.push(pick(['', 'a', '1', '.']) + c.repeat(n) + pick(['', 'b', '2', '!', "'s"]));
        }
    }
    return out.concat(several(120, () => joined(1 + random(12), () => pick([...spaces, ' ', ' ', 'a', '1', '.']))));
}
const fragmentStrings = () => several(450, () => joined(1 + random(9), () => pick(fragments)));
const wordStrings = () => several(500, () => joined(1 + random(12), () => pick(words) + pick(['', ' ', ' ', '  ', '\n'])));
const rangeStrings = () => ranges.flatMap(([low, high]) => several(10, () =>
    joined(2 + random(20), () => codePoint(low, high) + (random(6) ? '' : pick(['a', ' ', '1', ...marks])))));
const mixedStrings = () => several(250, () => joined(1 + random(25), () => codePoint(...pick(ranges))));
const markStrings = () => several(250, () => joined(1 + random(4), () =>
    pick(['a', 'o', 'e', '\u00fc', '\u1ea1', '\u0915', '\u0627', '\u05d0', '\u1100', '\u1161', '\uac00', '\u11a8', '\u304b', ' ', '']) +
    joined(1 + random(5), () => pick(marks))));
function sliceStrings() {
    const texts = textFiles.map((file) => fs.readFileSync(file, 'utf8'));
    return several(420, () => {
        const text = pick(texts);
        const start = random(text.length - 400);
        return text.slice(start, start + 1 + random(300)).toWellFormed();
    });
}
// Bytes as they are, valid UTF-8 or not.
function byteStrings() {
    const bad = ['80', 'bf', 'c0', 'c080', 'c3', 'e0', 'e080', 'e0a0', 'ed', 'eda080', 'edbfbf', 'e4b8', 'f0', 'f09f', 'f09f98',
        'f0808080', 'f4908080', 'f5', 'fe', 'ff', 'fffe', 'f8888080'].map((hex) => Buffer.from(hex, 'hex'));
    const good = ['a', ' ', '\u00e9', '\u4e16', '\u{1f600}', '  ', '<|endoftext|>', '\0', "'s"].map((s) => Buffer.from(s));
    return several(320, () => Buffer.concat(several(1 + random(10), () => pick(pick([bad, good, good])))))
        .concat(several(80, () => Buffer.from(several(1 + random(30), () => random(256)))));
}

// The package's tables of normalisation are older than its tables of classes: what they do not know is left out.
const forms = [['NFC', hf.nfcNormalizer()], ['NFD', hf.nfdNormalizer()], ['NFKC', hf.nfkcNormalizer()], ['NFKD', hf.nfkdNormalizer()]];
const isOld = (text) => forms.every(([form, normalizer]) => normalizer.normalizeString(text) === text.normalize(form));
const lossy = (bytes) => new TextDecoder('utf-8', {ignoreBOM: true}).decode(bytes);

const added = (id, content, flags) => Object.assign({id, content, single_word: false, lstrip: false, rstrip: false,
    normalized: false, special: false}, flags);
function small(merges, wholeWords, addedTokens, rest) {
    const tokens = hf.byteLevelAlphabet().sort().concat(merges.map(([a, b]) => a + b), wholeWords);
    const vocab = {};
    for (const token of tokens) if (!(token in vocab)) vocab[token] = Object.keys(vocab).length;
    let next = Object.keys(vocab).length;
    const idOf = (content) => content in vocab ? vocab[content] : next++;
    const byteLevel = {type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true};
    return Object.assign({
        version: '1.0', truncation: null, padding: null,
        added_tokens: addedTokens.map(([content, flags]) => added(idOf(content), content, flags)),
        normalizer: null, pre_tokenizer: Object.assign(byteLevel, rest.byteLevel), post_processor: null,
        decoder: {type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true},
        model: {type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '',
            fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab,
            merges: rest.mergeLines ? merges.map((pair) => pair.join(' ')) : merges},
    }, {normalizer: rest.normalizer || null});
}
const merges = [['\u0120', '\u0120'], ['b', 'c'], ['a', 'b'], ['a', 'bc'], ['ab', 'c'], ['c', 'd'], ['ab', 'cd'], ['h', 'e'], ['l', 'l'],
    ['he', 'll'], ['\u0120', 'a'], ['\u0120\u0120', '\u0120\u0120'], ['\u00c3', '\u00a9'], ['a', 'b'], ['\u0120', 'he'], ['o', 'r'], ['w', 'or']];
function smallTokenizers() {
    const flags = small(merges, [], [['<m>', {lstrip: true, rstrip: true, special: true}], ['<l>', {lstrip: true, normalized: true}],
        ['<r>', {rstrip: true}], ['  ', {}], ['word', {single_word: true, normalized: true}], ['wordy', {normalized: true}],
        ['E\u0301', {normalized: true}], ['o\u0323\u0302', {normalized: true}], ['\u00e9', {special: true}], ['ab', {normalized: true}], ['abcd', {normalized: true}],
        ['bc', {normalized: true, single_word: true}]], {normalizer: {type: 'NFC'}});
    const prefix = small(merges, ['hello', '\u0120hello', '\u0120word'], [['<m>', {special: true}], ['\ufb01', {normalized: true}]],
        {byteLevel: {add_prefix_space: true}, normalizer: {type: 'Sequence', normalizers: [{type: 'NFKD'}, {type: 'NFC'}]}});
    prefix.model.ignore_merges = true;
    const plain = small(merges, [], [], {byteLevel: {use_regex: false}, mergeLines: true, normalizer: {type: 'NFD'}});
    // The steps of Falcon's tokenizer.
    const falcon = small([...merges, ['1', '2'], ['12', '3'], ['!', '!'], ['.', '.']], [], [], {});
    falcon.pre_tokenizer = {type: 'Sequence', pretokenizers: [
        {type: 'Punctuation', behavior: 'Contiguous'}, falcon.pre_tokenizer, {type: 'Digits', individual_digits: false},
        {type: 'Split', pattern: {Regex: '[0-9][0-9][0-9]'}, behavior: 'Isolated', invert: false}]};
    return {'small-flags': flags, 'small-prefix': prefix, 'small-plain': plain, 'small-falcon': falcon};
}

const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
const idBytes = (ids) => { const b = Buffer.alloc(2 * ids.length); ids.forEach((id, i) => b.writeUInt16LE(id, 2 * i)); return b; };
const counted = (count, bytes) => Buffer.concat([u32(count), bytes]);
const write = (name, data) => fs.writeFileSync(path.join(outFolder, name), data);

async function writeExpected(name, tokenizer, strings) {
    const ids = [];
    for (const bytes of strings) {
        ids.push((await tokenizer.encode(lossy(bytes), null, {addSpecialTokens: false})).getIds());
    }
    write(name + '.ids', Buffer.concat(ids.map((list) => counted(list.length, idBytes(list)))));
    const size = tokenizer.getVocabSize(true);
    const cases = several(160, (_, i) => {
        const list = i % 2 ? several(1 + random(16), () => random(pick([size, 300]))) : pick(ids).slice(random(3), 40);
        return random(4) ? list : list.concat([0, size - 1, size - 2, size + 7]);
    });
    const decoded = [];
    for (const [i, list] of cases.entries()) {
        const text = Buffer.from(await tokenizer.decode(list, i % 4 >= 2));
        decoded.push(Buffer.from([i % 4 >= 2 ? 1 : 0]), counted(list.length, idBytes(list)), counted(text.length, text));
    }
    write(name + '.decoded', Buffer.concat(decoded));
}

async function main() {
    const texts = [...fragmentStrings(), ...spaceStrings(), ...wordStrings(), ...rangeStrings(), ...mixedStrings(),
        ...markStrings(), ...sliceStrings(), ''].filter(isOld);
    const strings = texts.map((text) => Buffer.from(text)).concat(byteStrings().filter((b) => isOld(lossy(b))));
    write('strings.bin', Buffer.concat(strings.map((bytes) => counted(bytes.length, bytes))));
    await writeExpected('gpt-neox-20b', hf.Tokenizer.fromFile(neoxFile), strings);
    await writeExpected('passkey-mamba1', hf.Tokenizer.fromFile(passkeyFile), strings);
    for (const [name, json] of Object.entries(smallTokenizers())) {
        const text = JSON.stringify(json);
        write(name + '.tokenizer.json', text + '\n');
        await writeExpected(name, hf.Tokenizer.fromString(text), strings.slice(0, 900));
    }
    console.log(strings.length, 'strings');
}
main();
