//! Event files, read by a reader that shares no code with their writer: records and checksums bit by bit, messages field by field.
#![cfg(feature = "tensorboard")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use gradus::tensorboard::EventFile;
use std::collections::BTreeMap;

/// CRC-32C, a bit at a time (RFC 3720, appendix B.4; reflected polynomial 0x82f63b78).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }))
}

/// The payloads of a file's records, each held against both of its checksums.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mask = |crc: u32| crc.rotate_right(15).wrapping_add(0xa282_ead8);
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(8);
        let (check, rest) = rest.split_at(4);
        assert_eq!(mask(crc32c(length)).to_le_bytes(), check, "the length of record {}", found.len());
        let (payload, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (check, rest) = rest.split_at(4);
        assert_eq!(mask(crc32c(payload)).to_le_bytes(), check, "the bytes of record {}", found.len());
        found.push(payload.to_vec());
        bytes = rest;
    }
    found
}

/// The fields of a message: number and bytes (of a varint its value, little-endian).
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (&byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        found.push((key >> 3, value.to_vec()));
        bytes = rest;
    }
    found
}

fn one(message: &[u8], number: u64) -> Option<Vec<u8>> {
    fields(message).into_iter().find(|field| field.0 == number).map(|field| field.1)
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn the_checksum_is_the_standards() {
    // the check value of CRC-32C, and RFC 3720's 32 bytes of zeros
    assert_eq!((crc32c(b"123456789"), crc32c(&[0; 32])), (0xe306_9283, 0x8a91_36aa));
}

#[test]
fn an_event_file_holds_what_was_written_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::create(&folder.path().join("tensorboard")).unwrap();
    file.scalars(7, &[("loss/train".into(), 0.5), ("loss/val".into(), f64::NAN)]).unwrap();
    // −1, 0 and 2 into 30 buckets of 0.1: the first, the eleventh and the last
    file.histograms(300, &[("weights/0.weight".into(), &[-1.0, 0.0, 2.0, f32::NAN])]).unwrap();
    file.flush().unwrap();
    let name = file.path().file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("events.out.tfevents."), "{name}");

    let records = records(&std::fs::read(file.path()).unwrap());
    assert_eq!(records.len(), 3);
    assert_eq!(one(&records[0], 3).unwrap(), b"brain.Event:2");
    for record in &records {
        let at = doubles(&one(record, 1).unwrap())[0];
        assert!(at > 1.7e9, "seconds since 1970, {at}");
    }
    let step = |record: &[u8]| u64::from_le_bytes(one(record, 2).unwrap().try_into().unwrap());
    assert_eq!((step(&records[1]), step(&records[2])), (7, 300));
    let values = |record: &[u8]| fields(&one(record, 5).unwrap()).into_iter().map(|field| field.1).collect::<Vec<_>>();
    let scalars: BTreeMap<_, _> = values(&records[1])
        .iter()
        .map(|value| {
            let number = f32::from_le_bytes(one(value, 2).unwrap().try_into().unwrap());
            (String::from_utf8(one(value, 1).unwrap()).unwrap(), number)
        })
        .collect();
    assert!(scalars["loss/train"] == 0.5 && scalars["loss/val"].is_nan() && scalars.len() == 2, "{scalars:?}");

    let histogram = &values(&records[2])[0];
    assert_eq!(one(histogram, 1).unwrap(), b"weights/0.weight");
    let histogram = one(histogram, 5).unwrap();
    // min, max, number, Σ, Σ²
    let sums: Vec<f64> = (1..=5).map(|n| doubles(&one(&histogram, n).unwrap())[0]).collect();
    assert_eq!(sums, [-1.0, 2.0, 3.0, 1.0, 5.0]);
    let (limits, counts) = (doubles(&one(&histogram, 6).unwrap()), doubles(&one(&histogram, 7).unwrap()));
    assert_eq!((limits.len(), limits[29], counts.len()), (30, 2.0, 30));
    let full: Vec<_> = (0..30).filter(|&i| counts[i] > 0.0).collect();
    assert_eq!(full, [0, 10, 29]);
}
