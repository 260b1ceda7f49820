//! A table's fingerprint, so that a run can say what it was trained on.

use super::columns::Columns;
use super::frame::Cells;
use super::{Dataset, Features, Table, Targets};
use sha2::{Digest, Sha256};

impl Table {
    /// Sixteen hexadecimal digits that stand for the whole table: the first eight bytes of a SHA-256.
    ///
    /// What is hashed, with every count a 64-bit and everything else a 32-bit little-endian number, and every name its length
    /// in bytes followed by its UTF-8 bytes:
    /// 1. the number of rows, the number of features, and the features' names;
    /// 2. the letter `f` and the bits of all features, or the letter `b`, the bits of the scale and the bytes;
    /// 3. the letter `c` or `v` for classes or values, the number of their names, the names, and the classes or the values' bits;
    /// 4. where rows have weights, the letter `w` and their bits.
    ///
    /// Names count, too: the same numbers under other names have another fingerprint.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update((self.rows() as u64).to_le_bytes());
        add_names(&mut hasher, self.names());
        match self.features() {
            Features::F32(values) => {
                hasher.update(b"f");
                add_words(&mut hasher, values, |value| value.to_bits());
            }
            Features::Bytes { data, scale } => {
                hasher.update(b"b");
                hasher.update(scale.to_bits().to_le_bytes());
                hasher.update(data);
            }
        }
        add_targets(&mut hasher, self.targets());
        add_weights(&mut hasher, self.weights());
        shown(hasher)
    }
}

impl Dataset {
    /// Sixteen hexadecimal digits that stand for the view: the hash of its table, as text, and the numbers of its rows in their order, 32-bit
    /// little-endian.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.table().hash());
        add_words(&mut hasher, self.rows(), |&row| row);
        shown(hasher)
    }
}

impl Columns {
    /// Sixteen hexadecimal digits that stand for the columns as they were read, before anything is made of them.
    ///
    /// What is hashed is as for [`Table::hash`], but for features: of each column the letter `n` and the bits of its numbers, or the letter `s`,
    /// the number of its words, the words, and the words' numbers.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update((self.features.rows() as u64).to_le_bytes());
        hasher.update((self.features.columns().len() as u64).to_le_bytes());
        for column in self.features.columns() {
            add_name(&mut hasher, &column.name);
            match &column.cells {
                Cells::Numbers(values) => {
                    hasher.update(b"n");
                    add_words(&mut hasher, values, |value| value.to_bits());
                }
                Cells::Words { of, words } => {
                    hasher.update(b"s");
                    add_names(&mut hasher, words);
                    add_words(&mut hasher, of, |&code| code);
                }
            }
        }
        add_targets(&mut hasher, &self.targets);
        add_weights(&mut hasher, self.weights.as_ref().map(|(_, weights)| &weights[..]));
        shown(hasher)
    }
}

fn shown(hasher: Sha256) -> String {
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn add_targets(hasher: &mut Sha256, targets: &Targets) {
    match targets {
        Targets::Classes { of, names } => {
            hasher.update(b"c");
            add_names(hasher, names);
            add_words(hasher, of, |&class| class);
        }
        Targets::Values { of, names } => {
            hasher.update(b"v");
            add_names(hasher, names);
            add_words(hasher, of, |value| value.to_bits());
        }
    }
}

fn add_weights(hasher: &mut Sha256, weights: Option<&[f32]>) {
    if let Some(weights) = weights {
        hasher.update(b"w");
        add_words(hasher, weights, |value| value.to_bits());
    }
}

/// How many names there are, then each with its length before it.
fn add_names(hasher: &mut Sha256, names: &[String]) {
    hasher.update((names.len() as u64).to_le_bytes());
    names.iter().for_each(|name| add_name(hasher, name));
}

fn add_name(hasher: &mut Sha256, name: &str) {
    hasher.update((name.len() as u64).to_le_bytes());
    hasher.update(name);
}

/// All values as little-endian words, in blocks: a call for each would take most of the time.
fn add_words<T>(hasher: &mut Sha256, values: &[T], bits: impl Fn(&T) -> u32) {
    let mut block = Vec::with_capacity(4096);
    for chunk in values.chunks(1024) {
        block.clear();
        block.extend(chunk.iter().flat_map(|value| bits(value).to_le_bytes()));
        hasher.update(&block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.into()).collect()
    }

    /// The expected digits are from Python: `hashlib.sha256(struct.pack(...)).hexdigest()[:16]` over the documented bytes.
    #[test]
    fn hash_is_sha_256_of_the_documented_bytes() {
        let classes = Targets::Classes { of: vec![1, 0], names: names(&["no", "ja"]) };
        let floats = Table::new(Features::F32(vec![1.5, -2.0, 0.25, 3.0]), names(&["a", "größe"]), classes).expect("two rows");
        assert_eq!(floats.hash(), "55b26ad69a0b5f7b");
        let values = Targets::Values { of: vec![0.5, -1.0], names: names(&["y"]) };
        let bytes = Table::new(Features::Bytes { data: vec![0, 255], scale: 0.5 }, names(&["p"]), values).expect("two rows");
        assert_eq!(bytes.hash(), "d91cccae6524f424");
        // more than one block of words
        let count = 3000;
        let long = Table::new(Features::F32((0..count).map(|i| i as f32).collect()), names(&["n"]), Targets::none()).expect("rows");
        assert_eq!(long.hash(), "766418a1121c4e41");
    }

    #[test]
    fn a_views_hash_is_that_of_its_rows_too() {
        let whole = Dataset::moons(20, 1);
        let (some, others) = (whole.view(vec![0, 1, 2]), whole.view(vec![0, 2, 1]));
        assert_ne!(some.hash(), others.hash());
        assert_eq!(some.hash(), Dataset::moons(20, 1).view(vec![0, 1, 2]).hash());
        assert_ne!(some.hash(), Dataset::moons(20, 2).view(vec![0, 1, 2]).hash());
    }

    #[test]
    fn every_part_of_a_table_moves_its_hash() {
        let table = |value: f32, name: &str, class: u32, class_name: &str| {
            let targets = Targets::Classes { of: vec![class], names: names(&[class_name, "b"]) };
            Table::new(Features::F32(vec![value]), names(&[name]), targets).expect("one row").hash()
        };
        let hashes =
            [table(1.0, "x", 0, "a"), table(1.5, "x", 0, "a"), table(1.0, "y", 0, "a"), table(1.0, "x", 1, "a"), table(1.0, "x", 0, "c")];
        for i in 0..hashes.len() {
            assert_eq!(hashes[i].len(), 16);
            assert!(!hashes[..i].contains(&hashes[i]), "{i}");
        }
    }
}
