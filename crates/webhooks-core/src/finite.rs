//! Finds numbers that JSON cannot represent: NaN and the infinities, which serde_json writes as `null`. It is a
//! serializer that writes nothing.

use std::fmt;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The first number in `data` that is not finite, as text.
pub(crate) fn not_finite<T: Serialize + ?Sized>(data: &T) -> Option<String> {
    match data.serialize(Look) {
        Err(Found::Number(number)) => Some(number),
        // Anything else that is wrong with the data was already reported when it was serialized.
        Ok(()) | Err(Found::Other) => None,
    }
}

#[derive(Debug)]
enum Found {
    Number(String),
    Other,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a number that JSON can represent")
    }
}

impl std::error::Error for Found {}

impl serde::ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

type Looked = Result<(), Found>;

#[derive(Clone, Copy)]
struct Look;

/// Values that cannot contain such a number.
macro_rules! passes {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Looked { Ok(()) })*
    };
}

impl Serializer for Look {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    passes! {
        serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128, serialize_unit_struct: &'static str
    }

    fn serialize_f32(self, value: f32) -> Looked {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Looked {
        if value.is_finite() {
            Ok(())
        } else {
            Err(Found::Number(value.to_string()))
        }
    }

    fn serialize_none(self) -> Looked {
        Ok(())
    }

    fn serialize_unit(self) -> Looked {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Looked {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Looked {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Looked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Looked {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }
}

/// Types with a sequence of values.
macro_rules! looks_at_each {
    ($($kind:ident: $method:ident),*) => {
        $(impl $kind for Look {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Looked {
                value.serialize(*self)
            }

            fn end(self) -> Looked {
                Ok(())
            }
        })*
    };
}

looks_at_each! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

/// Types with named fields.
macro_rules! looks_at_each_field {
    ($($kind:ident),*) => {
        $(impl $kind for Look {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Looked {
                value.serialize(*self)
            }

            fn end(self) -> Looked {
                Ok(())
            }
        })*
    };
}

looks_at_each_field! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Look {
    type Ok = ();
    type Error = Found;

    // A key that is not finite is refused by serde_json itself.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Looked {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Looked {
        value.serialize(*self)
    }

    fn end(self) -> Looked {
        Ok(())
    }
}
