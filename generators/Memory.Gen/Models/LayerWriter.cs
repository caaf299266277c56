using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>Writes the residual layer of a model, and its feed-forward network.</summary>
internal static class LayerWriter
{
    /// <summary>Whether all layers have a feed-forward network of one width, or all have none.</summary>
    public static bool HasOneWidth(EmittedMixer[] mixers) => mixers.Select(m => m.Use.FeedForward).Distinct().Count() == 1;

    public static void Write(CodeWriter writer, EmittedMixer[] mixers)
    {
        bool all = mixers.All(m => m.Use.FeedForward > 0), any = mixers.Any(m => m.Use.FeedForward > 0);
        WriteLayer(writer, mixers, any, all);
        if (!any)
            return;
        writer.Blank();
        WriteFeedForward(writer, mixers);
    }

    private static void WriteLayer(CodeWriter writer, EmittedMixer[] mixers, bool any, bool all)
    {
        string parameters = HasOneWidth(mixers) ? "" : "long width, ", width = HasOneWidth(mixers) ? "" : "width, ";
        writer.Lines(!any ? "// x + mixer(norm(x))." : all ? "// x + mixer(norm(x)), then x + SwiGLU(norm(x))." : "// x + mixer(norm(x)), then, where width > 0, x + SwiGLU(norm(x)).");
        using CodeWriter.Scope type = writer.Block("private sealed class Layer : nn.Module<Tensor, LayerState?, Tensor>");
        writer.Lines(
            "private readonly RmsNorm mixer_norm;",
            "private readonly nn.Module<Tensor, LayerState?, Tensor> mixer;",
            any ? $"private readonly RmsNorm{(all ? "" : "?")} feed_forward_norm;" : null,
            any ? $"private readonly FeedForward{(all ? "" : "?")} feed_forward;" : null,
            "private bool registered;",
            "");
        using (writer.Block($"public Layer(nn.Module<Tensor, LayerState?, Tensor> mixer, {parameters}Device? device, ScalarType? dtype) : base(nameof(Layer))"))
        {
            writer.Lines("mixer_norm = new RmsNorm(Dim, device: device, dtype: dtype);", "this.mixer = mixer;");
            if (any && !all)
            {
                using (writer.Block("if (width > 0)"))
                    writer.Lines(
                        "feed_forward_norm = new RmsNorm(Dim, device: device, dtype: dtype);",
                        $"feed_forward = new FeedForward({width}device, dtype);");
                writer.Blank();
            }
            else if (any)
            {
                writer.Lines(
                    "feed_forward_norm = new RmsNorm(Dim, device: device, dtype: dtype);",
                    $"feed_forward = new FeedForward({width}device, dtype);");
            }

            writer.Lines("RegisterComponents();");
        }

        writer.Blank();
        WriteLayerForward(writer, any, all);
        writer.Blank();
        if (any && !all)
            WriteOptionalRegistration(writer);
        else
            Registration.Write(writer, any ? ["mixer_norm", "mixer", "feed_forward_norm", "feed_forward"] : ["mixer_norm", "mixer"]);
    }

    private static void WriteLayerForward(CodeWriter writer, bool any, bool all)
    {
        using CodeWriter.Scope method = writer.Block("public override Tensor forward(Tensor x, LayerState? state)");
        writer.Lines("using var scope = torch.NewDisposeScope();");
        if (!any)
            writer.Lines("return (x + mixer.call(mixer_norm.call(x), state)).MoveToOuterDisposeScope();  // [B, T, D]");
        else if (all)
            writer.Lines(
                "Tensor h = x + mixer.call(mixer_norm.call(x), state);  // [B, T, D]",
                "return (h + feed_forward.call(feed_forward_norm.call(h))).MoveToOuterDisposeScope();  // [B, T, D]");
        else
            writer.Lines(
                "Tensor h = x + mixer.call(mixer_norm.call(x), state);  // [B, T, D]",
                "if (feed_forward_norm is not null && feed_forward is not null)",
                "    h = h + feed_forward.call(feed_forward_norm.call(h));  // [B, T, D]",
                "return h.MoveToOuterDisposeScope();");
    }

    private static void WriteOptionalRegistration(CodeWriter writer)
    {
        writer.Lines("/// <inheritdoc/>");
        using CodeWriter.Scope method = writer.Block("protected override void RegisterComponents()");
        writer.Lines(
            "if (registered) return;",
            "registered = true;",
            "register_module(nameof(mixer_norm), mixer_norm);",
            "register_module(nameof(mixer), mixer);",
            "if (feed_forward_norm is not null) register_module(nameof(feed_forward_norm), feed_forward_norm);",
            "if (feed_forward is not null) register_module(nameof(feed_forward), feed_forward);");
    }

    private static void WriteFeedForward(CodeWriter writer, EmittedMixer[] mixers)
    {
        bool one = HasOneWidth(mixers);
        string parameters = one ? "" : "long width, ", width = one ? "Width" : "width";
        writer.Lines("// SwiGLU: W_down (SiLU(W_gate x) * W_up x).");
        using CodeWriter.Scope type = writer.Block("private sealed class FeedForward : nn.Module<Tensor, Tensor>");
        writer.Lines(
            one ? $"private const long Width = {mixers[0].Use.FeedForward};" : null,
            "private readonly Linear gate, up;  // D -> F",
            "private readonly Linear down;  // F -> D",
            "private bool registered;",
            "");
        using (writer.Block($"public FeedForward({parameters}Device? device, ScalarType? dtype) : base(nameof(FeedForward))"))
            writer.Lines(
                $"gate = nn.Linear(Dim, {width}, hasBias: false, device: device, dtype: dtype);",
                $"up = nn.Linear(Dim, {width}, hasBias: false, device: device, dtype: dtype);",
                $"down = nn.Linear({width}, Dim, hasBias: false, device: device, dtype: dtype);",
                "RegisterComponents();");
        writer.Blank();
        writer.Lines("public override Tensor forward(Tensor x) => SwiGlu.Network(x, gate, up, down);  // [B, T, D]");
        writer.Blank();
        Registration.Write(writer, ["gate", "up", "down"]);
    }
}
