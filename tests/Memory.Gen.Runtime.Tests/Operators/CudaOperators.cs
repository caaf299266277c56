namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Operators that have a CUDA kernel.</summary>
internal static class CudaOperators
{
    /// <summary>By the names of their vector files.</summary>
    public static readonly string[] Names =
    [
        "bonus_decay", "causal_conv", "channel_decay", "channel_delta_rule", "delta_product", "delta_rule", "gated_delta_rule", "gated_slot_attention", "generalized_delta_rule", "linear_attention",
        "linear_attention_normalized", "linear_scan", "scalar_decay", "segment_attention", "selective_scan", "titans_linear", "titans_mlp",
    ];
}
