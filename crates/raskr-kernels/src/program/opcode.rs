//! `OpCode`: the elementwise operations a program may contain, under NumPy's names.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::KernelError;

macro_rules! opcodes {
    ($($variant:ident $arity:literal $name:literal $(| $alias:literal)*;)*) => {
        /// An elementwise operation. Its meaning is that of the NumPy function of the same name.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum OpCode {
            $($variant,)*
        }

        impl OpCode {
            pub const ALL: &[OpCode] = &[$(OpCode::$variant,)*];

            /// NumPy's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(OpCode::$variant => $name,)*
                }
            }

            /// How many inputs the operation takes.
            pub const fn arity(self) -> usize {
                match self {
                    $(OpCode::$variant => $arity,)*
                }
            }
        }

        impl FromStr for OpCode {
            type Err = KernelError;

            fn from_str(name: &str) -> Result<OpCode, KernelError> {
                match name {
                    $($name $(| $alias)* => Ok(OpCode::$variant),)*
                    _ => Err(KernelError::UnknownOperation(name.to_string())),
                }
            }
        }
    };
}

opcodes! {
    Add 2 "add";
    Subtract 2 "subtract";
    Multiply 2 "multiply";
    Divide 2 "divide" | "true_divide";
    FloorDivide 2 "floor_divide";
    Remainder 2 "remainder" | "mod";
    Fmod 2 "fmod";
    Power 2 "power" | "pow";
    FloatPower 2 "float_power";
    Negative 1 "negative";
    Positive 1 "positive";
    Absolute 1 "absolute" | "abs" | "fabs";
    Sign 1 "sign";
    Sqrt 1 "sqrt";
    Square 1 "square";
    Cbrt 1 "cbrt";
    Reciprocal 1 "reciprocal";
    Exp 1 "exp";
    Exp2 1 "exp2";
    Expm1 1 "expm1";
    Log 1 "log";
    Log2 1 "log2";
    Log10 1 "log10";
    Log1p 1 "log1p";
    Sin 1 "sin";
    Cos 1 "cos";
    Tan 1 "tan";
    Arcsin 1 "arcsin" | "asin";
    Arccos 1 "arccos" | "acos";
    Arctan 1 "arctan" | "atan";
    Arctan2 2 "arctan2" | "atan2";
    Sinh 1 "sinh";
    Cosh 1 "cosh";
    Tanh 1 "tanh";
    Arcsinh 1 "arcsinh" | "asinh";
    Arccosh 1 "arccosh" | "acosh";
    Arctanh 1 "arctanh" | "atanh";
    Hypot 2 "hypot";
    Logaddexp 2 "logaddexp";
    Logaddexp2 2 "logaddexp2";
    Minimum 2 "minimum";
    Maximum 2 "maximum";
    Fmin 2 "fmin";
    Fmax 2 "fmax";
    Equal 2 "equal";
    NotEqual 2 "not_equal";
    Less 2 "less";
    LessEqual 2 "less_equal";
    Greater 2 "greater";
    GreaterEqual 2 "greater_equal";
    LogicalAnd 2 "logical_and";
    LogicalOr 2 "logical_or";
    LogicalXor 2 "logical_xor";
    LogicalNot 1 "logical_not";
    BitwiseAnd 2 "bitwise_and";
    BitwiseOr 2 "bitwise_or";
    BitwiseXor 2 "bitwise_xor";
    Invert 1 "invert" | "bitwise_not" | "bitwise_invert";
    LeftShift 2 "left_shift" | "bitwise_left_shift";
    RightShift 2 "right_shift" | "bitwise_right_shift";
    IsNan 1 "isnan";
    IsInf 1 "isinf";
    IsFinite 1 "isfinite";
    IsNat 1 "isnat";
    Signbit 1 "signbit";
    Copysign 2 "copysign";
    Floor 1 "floor";
    Ceil 1 "ceil";
    Trunc 1 "trunc" | "fix";
    Rint 1 "rint";
    Degrees 1 "degrees" | "rad2deg";
    Radians 1 "radians" | "deg2rad";
    Real 1 "real";
    Imag 1 "imag";
    Conjugate 1 "conjugate" | "conj";
    Angle 1 "angle";
    Where 3 "where";
    Clip 3 "clip";
    Heaviside 2 "heaviside";
    Gcd 2 "gcd";
    Lcm 2 "lcm";
    Ldexp 2 "ldexp";
    Nextafter 2 "nextafter";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_aliases_agree() {
        for code in OpCode::ALL {
            assert_eq!(code.name().parse::<OpCode>(), Ok(*code));
        }
        assert_eq!("true_divide".parse(), Ok(OpCode::Divide));
        assert_eq!("mod".parse(), Ok(OpCode::Remainder));
        assert!("frobnicate".parse::<OpCode>().is_err());
    }
}
