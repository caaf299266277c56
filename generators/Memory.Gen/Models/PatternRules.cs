using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Models;

/// <summary>What can be wrong with the order of a model's layers.</summary>
internal static class PatternRules
{
    public static void Check(ModelSpec model, ErrorList root, ErrorList[] mixers)
    {
        if (root.Spec.Has("Pattern"))
            CheckPattern(model, root, mixers);
        else
            CheckNoPattern(model, root, mixers);
    }

    private static bool IsLetter(char c) => c is (>= 'A' and <= 'Z') or (>= 'a' and <= 'z');

    private static void CheckPattern(ModelSpec model, ErrorList root, ErrorList[] mixers)
    {
        // A pattern may go over several lines, a message does not.
        string written = string.Join(" ", (root.Spec.String("Pattern") ?? "").Split(default(char[]), System.StringSplitOptions.RemoveEmptyEntries));
        string declared = string.Concat(model.Mixers.Select(m => m.Spec.Letter).Where(IsLetter).Distinct());
        if (model.Pattern.Length == 0)
            root.Add("MEMGEN214", "Pattern", declared.Length > 0 ? declared : "AAAA");
        else if (model.Pattern.Length > Limits.Layers)
            root.Add("MEMGEN108", "Pattern", "The number of letters in Pattern", Limits.Text(model.Pattern.Length), "1", Limits.Text(Limits.Layers));
        else if (root.Spec.Has("Layers") && root.Spec.Int("Layers") != model.Pattern.Length)
        {
            root.Add("MEMGEN215", "Layers", Limits.Text(root.Spec.Int("Layers")), written, Limits.Text(model.Pattern.Length));
            root.Offer("Layers = " + Limits.Text(model.Pattern.Length), "no Layers");
        }

        // A letter that one side lacks and the other has too much of is one mistake, and said once.
        bool missing = false, everyMixerHasItsOwn = declared.Length == mixers.Length;
        foreach (char letter in model.Pattern.Distinct())
            if (!IsLetter(letter))
                root.Add("MEMGEN217", "Pattern", Limits.Text(letter));
            else if (everyMixerHasItsOwn && declared.Length > 0 && declared.IndexOf(letter) < 0)
            {
                root.Add("MEMGEN211", "Pattern", letter.ToString(), "declared are " + string.Join(", ", declared.Select(c => "'" + c + "'")));
                missing = true;
            }

        for (int i = 0; i < mixers.Length; i++)
            CheckLetter(model, i, mixers[i], missing);
    }

    private static void CheckLetter(ModelSpec model, int index, ErrorList mixer, bool patternLacksOne)
    {
        MixerUse use = model.Mixers[index];
        char letter = use.Spec.Letter;
        int first = Enumerable.Range(0, index + 1).First(i => model.Mixers[i].Spec.Letter == letter);
        if (!mixer.Spec.Has("letter"))
            mixer.Add("MEMGEN218", "", use.Kind, FreeLetter(model).ToString());
        else if (!IsLetter(letter))
            mixer.Add("MEMGEN217", "letter", Limits.Text(letter));
        else if (first < index)
            mixer.Add("MEMGEN213", "letter", letter.ToString(), model.Mixers[first].Kind, use.Kind);
        else if (!patternLacksOne && model.Pattern.Length > 0 && model.Pattern.IndexOf(letter) < 0)
            mixer.Add("MEMGEN212", "letter", letter.ToString(), use.Kind, model.Pattern);
    }

    private static void CheckNoPattern(ModelSpec model, ErrorList root, ErrorList[] mixers)
    {
        int lettered = System.Array.FindIndex(mixers, m => m.Spec.Has("letter"));
        if (lettered >= 0)
        {
            string letters = string.Concat(model.Mixers.Select(m => m.Spec.Letter).Where(IsLetter).Distinct());
            mixers[lettered].Add("MEMGEN219", "letter", model.Mixers[lettered].Kind, Limits.Text(model.Mixers[lettered].Spec.Letter),
                mixers.Length == 1 || letters.Length == 0 ? "leave the letter out" : "write for example Pattern = \"" + letters + "\"");
            return;
        }

        if (mixers.Length > 1)
            mixers[1].Add("MEMGEN007", "", model.Type.Name, Limits.Text(mixers.Length) + " mixer attributes without letters",
                "keep one, or give each a letter and write a Pattern");
        if (root.Spec.Has("Layers"))
        {
            root.CheckPositive("Layers", model.Layers, "layers", Limits.Layers, example: 4);
            return;
        }

        root.Add("MEMGEN216", "", model.Type.Name);
        root.Offer("Layers = 4");
    }

    private static char FreeLetter(ModelSpec model) =>
        model.Pattern.Concat("ABCDEFGHIJKLMNOPQRSTUVWXYZ").First(c => IsLetter(c) && model.Mixers.All(m => m.Spec.Letter != c));
}
