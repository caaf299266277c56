using System.Collections.Immutable;
using System.Linq;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>
/// Every diagnostic, in the order of its id. Hundreds are topics: 0 the class, 1 values, 2 composition, 3 the project. An id
/// is never given a second meaning; each has its page in docs/diagnostics and its row in AnalyzerReleases.
/// </summary>
public static class Descriptors
{
    /// <summary>The category of them all.</summary>
    public const string Category = "Memory.Gen";

    private const string HelpLink = "https://github.com/memory-gen/memory-gen/blob/main/docs/diagnostics/";

    /// <summary>All descriptors.</summary>
    public static readonly ImmutableArray<DiagnosticDescriptor> All = ImmutableArray.Create(
        Error("MEMGEN001", "A declared class is partial",
            "'{0}' has [{1}] but is not partial, so nothing can be added to it; write: partial class {0}",
            "Memory.Gen writes another part of the class; C# allows that for a partial class only."),
        Error("MEMGEN002", "The types around a declared class are partial",
            "'{0}' around '{1}' is not partial, so nothing can be added inside it; write: partial {2} {0}",
            "The part that Memory.Gen writes stands inside a part of each containing type."),
        Error("MEMGEN003", "A declared class is not generic",
            "'{0}' is generic or lies in a generic type ('{1}'), but its weights have one fixed layout; move it out, or declare it without type parameters",
            "A checkpoint belongs to one class with one set of weights."),
        Error("MEMGEN004", "A declared class is a plain class",
            "'{0}' is {1}, but a module is a plain class; write: sealed partial class {0}",
            "A module has identity and inherits from TorchSharp's Module: no record, struct, interface, static, abstract or file-local type."),
        Error("MEMGEN005", "A declared class has no base class of its own",
            "'{0}' derives from '{1}', but what is written for it derives from Module<Tensor, Tensor>; remove the base class",
            "The written part names the base class itself."),
        Error("MEMGEN006", "A declared class leaves the written names free",
            "'{0}' declares {1}, which Memory.Gen writes; rename or remove yours",
            "A member, a class name or a primary constructor stands in the way of what is written."),
        Error("MEMGEN007", "Without a pattern there is exactly one mixer",
            "'{0}' has {1}; {2}",
            "A mixer attribute says what the layers remember. Several need letters and a Pattern, a [MemoryLayer] has exactly one."),
        Error("MEMGEN008", "A mixer attribute belongs to a model or a layer",
            "[{0}] does nothing on '{1}', which has neither [MemoryModel] nor [MemoryLayer]; add one of them, or remove [{0}]",
            "Mixer attributes only say what a model's or a layer's memory is."),
        Error("MEMGEN009", "A class is a model or a layer",
            "'{0}' has both [MemoryModel] and [MemoryLayer]; keep [MemoryModel] for a whole model, [MemoryLayer] for a single layer",
            "One class is written once."),
        Error("MEMGEN101", "A required number is given and positive",
            "{0}; it must be a positive number of {1}, for example {2}",
            "Widths, counts and lengths start at one."),
        Error("MEMGEN102", "Heads divide the width",
            "Dim {0} is not divisible by {1} {2}; {3}",
            "Every head gets the same number of features."),
        Error("MEMGEN103", "A window has at least one token",
            "Window = {0}, but a query sees at least 1 token, itself; write 1 or more, or leave Window out for the whole past",
            "A window counts the token that asks."),
        Error("MEMGEN104", "A token goes to some of the memories",
            "TopK {0} must lie between 1 and Memories {1}; {2} works",
            "A router sends each token to TopK different memories."),
        Error("MEMGEN105", "A segment is a number of whole blocks",
            "Window {0} is not a multiple of Block {1}; Block = {2} divides it",
            "The gradient blocks of a Titans memory begin anew with each segment."),
        Error("MEMGEN106", "A memory has at least one layer",
            "MemoryDepth = {0}, but a memory needs at least 1 layer; write MemoryDepth = 1 for a matrix, 2 for a perceptron",
            "Without a layer there is nothing that could remember."),
        Warning("MEMGEN107", "A deep memory bounds its gradients",
            "InnerClip = 0 leaves the gradients of a memory with MemoryDepth = {0} unbounded: it diverges where a text repeats itself; write InnerClip = 1, or leave it out",
            "From three layers on the step that is stable depends on weights that grow while the memory reads."),
        Error("MEMGEN108", "A value lies in its range",
            "{0} = {1} is outside {2} to {3}; {4} works",
            "Each range is in the documentation of its property."),
        Error("MEMGEN109", "Eidetic slots take tokens from a window",
            "EideticTokens = {0} need a window that their tokens come from, but Window = {1}; write Window = 256, for example, or EideticTokens = 0",
            "A token waits in the window until it is judged, and is kept when it leaves."),
        Error("MEMGEN110", "A segment has room for new tokens",
            "SegmentTokens = {0} leaves no room for new tokens beside {1}; write SegmentTokens = {2} or more",
            "The window that the backbone reads holds the memory's own rows and the segment's new tokens."),
        Error("MEMGEN111", "A window lies within its segment",
            "Window = {0}, but [{1}] gives the backbone windows of {2} rows, its SegmentTokens; write Window = {2} or less, or leave it out for all of them",
            "What a layer keeps is dropped where a segment ends, so a longer window never fills."),
        Error("MEMGEN112", "Sensory tokens are of one segment",
            "SensoryTokens = {0} is more than the {1} new tokens of a segment, the last of which they are; with SegmentTokens = {3}, SensoryTokens = {2} works",
            "Sensory tokens are the last tokens of the segment before."),
        Warning("MEMGEN113", "A block without bound takes short steps",
            "InnerClip = 0 needs Block * MaxStep of 2 or less, but Block = {0} and MaxStep = {1} make {2}: the memory diverges where a text repeats itself; write InnerClip = 1, or leave it out",
            "The gradients of a block are taken at one memory, so the steps of a repeated token add up to what all of them carry."),
        Error("MEMGEN121", "Key and value heads divide the heads",
            "KeyValueHeads {0} does not divide Heads {1}; {2} does",
            "Every key and value head serves the same number of query heads."),
        Error("MEMGEN122", "Rotary positions need an even head size",
            "Rotary positions turn pairs of features, but a head has {0} (Dim {1} / Heads {2}); choose Heads so that the head size is even, or write RotaryBase = 0",
            "An odd number of features has one without a partner."),
        Error("MEMGEN201", "A layer reads what the layer before it writes",
            "'{0}' yields {1} features, but '{2}' expects {3}; write Dim = {1} on '{2}', or put a linear map between them",
            "Features in and out of a declared layer are as many as its Dim."),
        Error("MEMGEN204", "Options go together",
            "{0} = {1} is not supported with {2}: {3}; supported: {4}",
            "Some options only have a meaning beside certain others."),
        Error("MEMGEN211", "Every letter of a pattern has a mixer",
            "Pattern has the letter '{0}', which no mixer attribute declares; {1}",
            "A letter of a pattern stands for the mixer attribute with that letter; case matters."),
        Error("MEMGEN212", "Every mixer's letter is in the pattern",
            "The letter '{0}' of [{1}] is not in Pattern \"{2}\"; add it there, or remove the attribute",
            "A mixer that no layer uses is most likely a mistake."),
        Error("MEMGEN213", "A letter stands for one mixer",
            "The letter '{0}' is declared by [{1}] and again by [{2}]; give one of them another letter",
            "Otherwise the pattern would not say which of them is meant."),
        Error("MEMGEN214", "A pattern is not empty",
            "Pattern has no letters; write one for each layer, for example \"{0}\", or leave Pattern out and give Layers",
            "A model has at least one layer."),
        Error("MEMGEN215", "Layers and pattern agree",
            "Layers = {0}, but Pattern \"{1}\" has {2} letters, one for each layer; write Layers = {2}, or leave Layers out",
            "A pattern is not repeated to fill a number of layers."),
        Error("MEMGEN216", "A model says how many layers it has",
            "'{0}' gives neither Layers nor Pattern; write for example Layers = 4",
            "The number of layers has no default."),
        Error("MEMGEN217", "Letters are A to Z and a to z",
            "'{0}' is no letter of a pattern; use A to Z or a to z",
            "White space may separate the letters of a pattern; everything else is an error."),
        Error("MEMGEN218", "In a model with a pattern every mixer has a letter",
            "[{0}] has no letter, but the model has a Pattern; write [{0}('{1}', ...)]",
            "Without a letter the pattern cannot name the mixer."),
        Error("MEMGEN219", "A letter needs a pattern",
            "[{0}] has the letter '{1}', but there is no Pattern that uses it; {2}",
            "A letter only has a meaning in the pattern of a [MemoryModel]."),
        Error("MEMGEN221", "One memory stands around a model",
            "'{0}' has [{1}] and [{2}] around its layers; keep one of them",
            "Each of them cuts the text into segments of its own."),
        Error("MEMGEN222", "A memory around layers belongs to a model",
            "[{0}] stands around the layers of a model, but '{1}' is a [MemoryLayer]; make it a [MemoryModel], or remove [{0}]",
            "It needs the whole stack: it reads tokens, and its memory is what the last layer makes of them."),
        Error("MEMGEN301", "The project references what a model runs on",
            "'{0}' needs {1}; write <PackageReference Include=\"{2}\" Version=\"{3}\" />",
            "Written code calls TorchSharp and Memory.Gen.Runtime."),
        Error("MEMGEN302", "The project compiles C# 12 or newer",
            "'{0}' becomes C# {1}, but this project compiles C# {2}; write <LangVersion>{1}</LangVersion> or leave LangVersion out",
            "Written code uses the language up to that version."),
        Warning("MEMGEN303", "Modules lie where TorchSharp finds them",
            "'{0}' holds modules in {1}, where TorchSharp does not look for parameters: they would not train, move or be saved; use {2}",
            "RegisterComponents registers fields that are modules, and ModuleList and ModuleDict are; lists, arrays and dictionaries are not."),
        Warning("MEMGEN304", "A carried state is detached between steps",
            "'{0}' is carried from step to step and never detached, so every backward goes through all steps before; call {0}.Detach() after each step",
            "Gradients flow through a state until Detach: without it the graph of a training loop only grows."));

    /// <summary>The descriptor of an id.</summary>
    public static DiagnosticDescriptor Of(string id) => All.First(d => d.Id == id);

    private static DiagnosticDescriptor Error(string id, string title, string message, string description) =>
        new(id, title, message, Category, DiagnosticSeverity.Error, isEnabledByDefault: true, description, HelpLink + id + ".md");

    private static DiagnosticDescriptor Warning(string id, string title, string message, string description) =>
        new(id, title, message, Category, DiagnosticSeverity.Warning, isEnabledByDefault: true, description, HelpLink + id + ".md");
}
