namespace TorchSharp;

/// <summary>How a padded border is filled.</summary>
public enum PaddingModes
{
    Zeros = 0,
    Reflect = 1,
    Replicate = 2,
    Circular = 3,
    Constant = 4,
}

/// <summary>How much a convolution pads: not at all, or so that the length stays.</summary>
public enum Padding
{
    Valid = 0,
    Same = 1,
}
