//! A checkpoint as bytes, and back: whatever was damaged, cut short or made by someone else is refused with its reason.

use super::{Checkpoint, Numbers, Tensor};
use crate::error::{Error, Place, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorInfo, TensorView};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"GRADUSCP";
/// Magic, version, length of the body.
const HEAD: usize = 8 + 4 + 8;
const CHECKSUM: usize = 32;

/// The header of a safetensors file, whose data are the tensors one behind the other.
#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<&'static str, &'a str>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

/// What a checkpoint's file is made of, but for the checksum. The tensors are the checkpoint's own: of large models there is no second copy.
pub(super) struct Parts<'a> {
    head: Vec<u8>,
    tensors: Vec<&'a [u8]>,
}

impl Parts<'_> {
    /// How many bytes the file has.
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.tensors.iter().map(|bytes| bytes.len()).sum::<usize>() + CHECKSUM
    }

    /// Writes the file.
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut checksum = Sha256::new();
        for bytes in std::iter::once(&self.head[..]).chain(self.tensors.iter().copied()) {
            checksum.update(bytes);
            out.write_all(bytes)?;
        }
        out.write_all(&checksum.finalize())
    }
}

impl Checkpoint {
    /// The bytes of its file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let parts = self.parts()?;
        let mut bytes = Vec::with_capacity(parts.len());
        parts.write(&mut bytes).map_err(|e| Error::io("the checkpoint", e))?;
        Ok(bytes)
    }

    /// What its file is made of.
    pub(super) fn parts(&self) -> Result<Parts<'_>> {
        let wrong = |e: &dyn std::fmt::Display| Error::input(format!("the checkpoint cannot be written: {e}"));
        let (mut tensors, mut infos, mut end) = (Vec::with_capacity(self.tensors.len()), BTreeMap::new(), 0);
        for Tensor { name, shape, numbers } in &self.tensors {
            let (dtype, bytes) = match numbers {
                Numbers::F32(values) => (Dtype::F32, bytemuck::cast_slice(values)),
                Numbers::U32(words) => (Dtype::U32, bytemuck::cast_slice(words)),
            };
            // that there are as many numbers as the shape says
            TensorView::new(dtype, shape.clone(), bytes).map_err(|e| wrong(&e))?;
            infos.insert(name.as_str(), TensorInfo { dtype, shape: shape.clone(), data_offsets: (end, end + bytes.len()) });
            tensors.push(bytes);
            end += bytes.len();
        }
        let about = serde_json::to_string(&self.about).map_err(|e| wrong(&e))?;
        let number = self.number.to_string();
        let metadata = BTreeMap::from([("number", number.as_str()), ("state", &self.state), ("about", &about)]);

        // room for the state, whose quotes are written as two bytes each
        let mut head = Vec::with_capacity(HEAD + self.state.len() + self.state.len() / 8 + about.len() + 4096);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.resize(HEAD + 8, 0);
        serde_json::to_writer(&mut head, &Header { metadata, tensors: infos }).map_err(|e| wrong(&e))?;
        // the data begin at a multiple of 8 bytes of the body
        let header = (head.len() - HEAD - 8).next_multiple_of(8);
        head.resize(HEAD + 8 + header, b' ');
        head[HEAD - 8..HEAD].copy_from_slice(&((8 + header + end) as u64).to_le_bytes());
        head[HEAD..HEAD + 8].copy_from_slice(&(header as u64).to_le_bytes());
        Ok(Parts { head, tensors })
    }

    /// Reads the bytes of a file; `path` names it in errors. Memory is bounded by the length of the bytes.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let wrong = |message: String| Error::at(Place::file(path), message);
        let Some(head) = bytes.first_chunk::<HEAD>().filter(|head| head.starts_with(MAGIC)) else {
            // the first bytes of one that was cut short are those of a checkpoint, as far as they go
            return Err(match !bytes.is_empty() && (bytes.starts_with(MAGIC) || MAGIC.starts_with(bytes)) {
                true => wrong(format!("this checkpoint is cut short: {} bytes: take one from before it", bytes.len())),
                false => wrong("this is no checkpoint of gradus: name a run folder that has some".to_string()),
            });
        };
        let [_, _, _, _, _, _, _, _, v0, v1, v2, v3, length @ ..] = *head;
        let (version, length) = (u32::from_le_bytes([v0, v1, v2, v3]), u64::from_le_bytes(length));
        if version != VERSION {
            return Err(wrong(format!(
                "this checkpoint has version {version} of the format, this gradus reads {VERSION}: go on with the gradus that wrote it, or begin anew"
            )));
        }
        let wanted = length.saturating_add((HEAD + CHECKSUM) as u64);
        if (bytes.len() as u64) < wanted {
            return Err(wrong(format!("this checkpoint is cut short: {} bytes of {wanted}: take one from before it", bytes.len())));
        }
        let damaged = |what: String| wrong(format!("this checkpoint is damaged: {what}: take one from before it"));
        if bytes.len() as u64 > wanted {
            return Err(damaged(format!("there are {} bytes, but it has {wanted}", bytes.len())));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if Sha256::digest(content)[..] != *checksum {
            return Err(damaged("its checksum is another one".to_string()));
        }
        read_body(&content[HEAD..]).map_err(damaged)
    }

    /// Reads a file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Checkpoint::from_bytes(path, &bytes)
    }
}

/// What the checksum answers for; that it is well made is not taken for granted.
fn read_body(body: &[u8]) -> Result<Checkpoint, String> {
    let (_, header) = SafeTensors::read_metadata(body).map_err(|e| e.to_string())?;
    let metadata = header.metadata().as_ref();
    let word = |key: &str| metadata.and_then(|all| all.get(key)).ok_or_else(|| format!("it has no `{key}`"));
    let number = word("number")?.parse().map_err(|e| format!("its number: {e}"))?;
    let about = serde_json::from_str(word("about")?).map_err(|e| format!("its `about`: {e}"))?;
    let state = word("state")?.clone();
    let mut tensors = Vec::new();
    for (name, view) in SafeTensors::deserialize(body).map_err(|e| e.to_string())?.iter() {
        let words = view.data().as_chunks::<4>().0.iter();
        let numbers = match view.dtype() {
            Dtype::F32 => Numbers::F32(words.map(|&word| f32::from_le_bytes(word)).collect()),
            Dtype::U32 => Numbers::U32(words.map(|&word| u32::from_le_bytes(word)).collect()),
            other => return Err(format!("`{name}` is {other:?}")),
        };
        tensors.push(Tensor { name: name.to_string(), shape: view.shape().to_vec(), numbers });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Checkpoint { number, about, state, tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let nan = f32::from_bits(0x7fc0_0001);
        Checkpoint {
            number: 17,
            about: [("seed".to_string(), "7".to_string())].into(),
            state: "{\"epoch\":2}".to_string(),
            tensors: vec![
                Tensor { name: "fault".into(), shape: vec![2], numbers: Numbers::U32(vec![0, u32::MAX]) },
                Tensor { name: "log".into(), shape: vec![0, 4], numbers: Numbers::F32(vec![]) },
                Tensor { name: "params".into(), shape: vec![2, 2], numbers: Numbers::F32(vec![-0.0, nan, 1e-40, f32::INFINITY]) },
            ],
        }
    }

    fn refused(bytes: &[u8]) -> String {
        Checkpoint::from_bytes(Path::new("c"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_checkpoint_comes_back_to_the_bit() {
        let bytes = sample().to_bytes().unwrap();
        let back = Checkpoint::from_bytes(Path::new("c"), &bytes).unwrap();
        assert_eq!([back.to_bytes().unwrap().len(), back.parts().unwrap().len()], [bytes.len(); 2]);
        assert_eq!((back.number, &back.about, &back.state), (17, &sample().about, &sample().state));
        for (tensor, was) in back.tensors.iter().zip(sample().tensors) {
            assert_eq!((&tensor.name, &tensor.shape), (&was.name, &was.shape));
            match (&tensor.numbers, was.numbers) {
                (Numbers::F32(a), Numbers::F32(b)) => {
                    assert!(a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits())));
                }
                (a, b) => assert_eq!(*a, b),
            }
        }
    }

    #[test]
    fn a_file_that_ends_too_soon_or_too_late_is_refused() {
        let bytes = sample().to_bytes().unwrap();
        for length in 1..bytes.len() {
            let told = refused(&bytes[..length]);
            assert!(told.starts_with("c: this checkpoint is cut short: "), "{length}: {told}");
        }
        assert!(refused(&[&bytes[..], &[0]].concat()).contains("damaged"));
    }

    #[test]
    fn numbers_that_are_not_as_many_as_their_shape_says_are_not_written() {
        let tensors = vec![Tensor { name: "params".into(), shape: vec![2, 2], numbers: Numbers::F32(vec![0.0; 3]) }];
        let told = Checkpoint { tensors, ..sample() }.to_bytes().unwrap_err().to_string();
        assert!(told.starts_with("the checkpoint cannot be written: "), "{told}");
    }

    #[test]
    fn a_bit_that_is_another_is_found_wherever_it_is() {
        let bytes = sample().to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            let told = refused(&other);
            // in the magic it is no checkpoint, in the version another one, in the length too short or too long
            let wanted = match at {
                0..8 => "no checkpoint",
                8..12 => "version",
                12..20 => "c: this checkpoint is ",
                _ => "checksum",
            };
            assert!(told.contains(wanted), "{at}: {told}");
        }
    }

    #[test]
    fn files_of_others_and_of_other_versions_are_refused_by_what_they_are() {
        assert!(refused(b"").contains("this is no checkpoint of gradus"));
        assert!(refused(b"PK\x03\x04 something else, and long enough for a head").contains("this is no checkpoint of gradus"));
        let mut bytes = sample().to_bytes().unwrap();
        bytes[8] = 2;
        assert!(refused(&bytes).contains("has version 2 of the format, this gradus reads 1"));
        // a sound checksum over what is no body
        let mut made = [&MAGIC[..], &VERSION.to_le_bytes(), &4u64.to_le_bytes(), b"body"].concat();
        made.extend(Sha256::digest(&made));
        assert!(refused(&made).contains("damaged"));
    }
}
