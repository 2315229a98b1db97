"""The two tokenizers, in the structure of the published checkpoints but with vocabularies made from the grammar."""

import string
from collections import Counter

from scenes import BACKGROUNDS, COLOURS, NUMBERS, PLURALS, SHAPES, SIZES
from transformers import BertTokenizer, CLIPTokenizer

CLIP_LENGTH = 32
BLIP_LENGTH = 32

WORDS = sorted(
    {*COLOURS, *BACKGROUNDS, *SHAPES, *PLURALS.values(), *SIZES, *NUMBERS.values()}
    | set("a on in the of to above below left right between top bottom corner background".split())
    | set("picture drawing photo image shape shapes object thing something an and is there with what".split())
)


def byte_alphabet():
    """The printable stand-ins for the 256 bytes, in the order of OpenAI's vocabulary."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in kept] + [chr(256 + i) for i in range(256 - len(kept))]


def learn_merges(words):
    """Byte-pair merges until every word is one piece, the commonest pair first.

    The trainer of the tokenizers library breaks ties by the order of a hash table, so that two runs number the pieces
    differently; here the alphabet breaks them.
    """
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges = []
    while True:
        pairs = Counter(pair for word in pieces for pair in zip(word, word[1:]))
        if not pairs:
            return merges
        pair = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(pair)
        for word in pieces:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == pair:
                    word[i : i + 2] = ["".join(pair)]
                i += 1


def clip_tokenizer():
    """Byte-level BPE with word ends. Merges are learned on the words of the grammar; all other text falls back to bytes."""
    merges = learn_merges(WORDS)
    letters = byte_alphabet()
    tokens = letters + [letter + "</w>" for letter in letters]
    # Two different merges may arrive at the same piece; it gets one id, as in OpenAI's vocabulary.
    tokens += list(dict.fromkeys("".join(merge) for merge in merges if "".join(merge) not in tokens))
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CLIP_LENGTH)


def blip_tokenizer():
    """WordPiece: whole words of the grammar, and single characters for everything else in latin script."""
    characters = string.ascii_lowercase + string.digits
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += list(string.punctuation) + list(characters) + ["##" + character for character in characters]
    tokens += [word for word in WORDS if word not in tokens]
    # The published tokenizer holds these two in the file of added tokens, at the end; so does this one.
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = BertTokenizer(vocab=vocab, model_max_length=BLIP_LENGTH)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer
