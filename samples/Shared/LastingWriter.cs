using System.Text;

namespace Samples;

/// <summary>Writes where somebody reads. A terminal that was closed is no reason to lose what there is to save: what it was to show is dropped.</summary>
internal sealed class LastingWriter(TextWriter inner) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void Flush() => Try(inner.Flush);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException)
        {
            // Nobody reads any more.
        }
    }
}
