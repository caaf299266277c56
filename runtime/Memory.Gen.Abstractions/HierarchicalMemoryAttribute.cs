using System;

namespace Memory.Gen;

/// <summary>
/// Hierarchical Memory Transformer around the whole stack of a <see cref="MemoryModelAttribute"/> (He, Cao, Qin, Prakriya, Sun,
/// Cong: HMT, arXiv 2405.06067): every segment leaves one embedding behind, and the next one recalls, by attention, a mixture of
/// the last <see cref="RecallSlots"/> of them. The backbone reads <c>[P ; sensory tokens ; segment ; P]</c>; new tokens of a
/// segment = <c>SegmentTokens - SensoryTokens - 2</c>. It is no mixer: it has no letter.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = false)]
public sealed class HierarchicalMemoryAttribute : SegmentMemoryAttribute
{
    /// <summary>Tokens of the segment before that are read again in front of a segment, 0 to the new tokens of a segment. Absent: 0.</summary>
    public int SensoryTokens { get; set; }

    /// <summary>
    /// Whether a segment recalls; false is the paper's first stage of training: the memory of the segment before is passed on
    /// directly, and there is nothing else to learn but the first one. Absent: true.
    /// </summary>
    public bool Recall { get; set; }

    /// <summary>Memories that are kept, the oldest falls out, 1 to 1,048,576. Absent: 300.</summary>
    public int RecallSlots { get; set; }

    /// <summary>Features of the recall's queries and keys, 1 to 1,048,576. Absent: <c>Dim</c>.</summary>
    public int RecallDim { get; set; }

    /// <summary>Factor on the recall's scores, 1e-6 to 1e6. Absent: <c>RecallDim^-1/2</c>.</summary>
    public double RecallScale { get; set; }

    /// <summary>Share of a segment's new tokens that its summary is made of, 1e-6 to 1. Absent: 0.5.</summary>
    public double SummaryFraction { get; set; }

    /// <summary>
    /// Which tokens the summary that asks is made of. True: the last ones of the segment before, so that no token sees a later
    /// one and a text may be read in any pieces. False, as in the paper: the first ones of the segment itself, which its tokens
    /// then see through the recalled mixture; in pieces, those that the piece with the segment's first token brings.
    /// Absent: true.
    /// </summary>
    public bool CausalRecall { get; set; }

    /// <summary>
    /// Whether the learned row that gathers a summary stands behind its tokens only, which saves a row. False, as in the paper's
    /// reference implementation: in front of them, too. Absent: false.
    /// </summary>
    public bool OneEndedSummary { get; set; }
}
