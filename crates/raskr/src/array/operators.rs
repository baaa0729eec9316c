//! Rust's operators on arrays and plain numbers, in every combination of values and references.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};
use std::panic::Location;

use raskr_kernels::program::OpCode;

use super::Array;
use super::elementwise::apply;

macro_rules! operator {
    ($trait:ident $method:ident $code:ident: $($left:ty, $right:ty);*) => {$(
        impl $trait<$right> for $left {
            type Output = Array;

            #[track_caller]
            fn $method(self, other: $right) -> Array {
                apply(OpCode::$code, &[self.into(), other.into()], Location::caller())
            }
        }
    )*};
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $code:ident)*) => {$(
        operator!($trait $method $code: Array, Array; Array, &Array; &Array, Array; &Array, &Array;
            Array, f64; &Array, f64; f64, Array; f64, &Array; Array, i64; &Array, i64; i64, Array; i64, &Array);
    )*};
}
arithmetic!(Add add Add  Sub sub Subtract  Mul mul Multiply  Div div Divide  Rem rem Remainder);

macro_rules! bitwise {
    ($($trait:ident $method:ident $code:ident)*) => {$(
        operator!($trait $method $code: Array, Array; Array, &Array; &Array, Array; &Array, &Array;
            Array, i64; &Array, i64; Array, bool; &Array, bool);
    )*};
}
bitwise!(BitAnd bitand BitwiseAnd  BitOr bitor BitwiseOr  BitXor bitxor BitwiseXor);

macro_rules! prefix {
    ($trait:ident $method:ident $code:ident: $($type:ty),*) => {$(
        impl $trait for $type {
            type Output = Array;

            #[track_caller]
            fn $method(self) -> Array {
                apply(OpCode::$code, &[self.into()], Location::caller())
            }
        }
    )*};
}
prefix!(Neg neg Negative: Array, &Array);
prefix!(Not not Invert: Array, &Array);
