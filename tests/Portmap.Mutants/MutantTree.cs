using System.Diagnostics;
using System.Text;

namespace Portmap.Mutants;

/// <summary>A copy of the working tree that holds all mutants at once, each behind a condition, so
/// that one build serves all.</summary>
/// <remarks>The environment variable <c>MUTANT_OF_PORTMAP</c> (tests clear what begins with PORTMAP_
/// for the programs they start) names the number of the one that is
/// switched on; without it the copy behaves as the sources it was made of.</remarks>
internal sealed class MutantTree(string repository, string folder)
{
    private const string Switch = """
        namespace Portmap;

        internal static class MutantSwitch
        {
            private static readonly string? s_on = System.Environment.GetEnvironmentVariable("MUTANT_OF_PORTMAP");
            private static readonly int s_number = s_on is null ? 0 : int.Parse(s_on, System.Globalization.CultureInfo.InvariantCulture);

            public static bool Is(int number) => s_number == number;
        }

        """;

    /// <summary>The packages whose sources get mutants.</summary>
    private static readonly string[] s_packages = ["Portmap", "Portmap.Rpc", "Portmap.Hosting", "Portmap.AspNetCore", "Portmap.Etcd", "Portmap.Testing", "Portmap.Tool"];

    public string Folder { get; } = folder;

    /// <summary>Says of each mutant that does not fit its file any more what is wrong. Empty: all
    /// of them fit.</summary>
    public static IEnumerable<string> Misfits(string repository, IEnumerable<Mutant> mutants)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        Dictionary<string, List<Mutant>> fitting = [];
        foreach (Mutant mutant in mutants)
        {
            string path = Path.Combine(repository, mutant.File);
            string? text = File.Exists(path) ? File.ReadAllText(path) : null;
            int count = text is null ? -1 : Count(text, mutant.Find);
            List<Mutant> others = fitting.TryGetValue(mutant.File, out List<Mutant>? before) ? before : fitting[mutant.File] = [];
            string? complaint = !seen.Add(mutant.Id) ? "stands twice in the list"
                : !mutant.Replace.Contains("MUTANT", StringComparison.Ordinal) ? "has no condition MUTANT"
                : count == -1 ? $"has no file {mutant.File}"
                : count != 1 ? $"finds its text {count} times in {mutant.File}, which must be once"
                : others.Find(other => Overlap(text!, mutant, other)) is { } other ? $"lies over '{other.Id}'"
                : null;
            if (complaint is null)
            {
                others.Add(mutant);
            }
            else
            {
                yield return $"{mutant.Id}: {complaint}.";
            }
        }
    }

    /// <summary>Makes the copy. What is as it was keeps its time, so that a second run builds only
    /// what has changed.</summary>
    public void Write(IEnumerable<Mutant> mutants)
    {
        Dictionary<string, string> mutated = [];
        foreach (IGrouping<string, Mutant> file in mutants.GroupBy(mutant => mutant.File))
        {
            string text = File.ReadAllText(Path.Combine(repository, file.Key));
            foreach ((Mutant mutant, int at) in file.Select(mutant => (mutant, text.IndexOf(mutant.Find, StringComparison.Ordinal))).OrderByDescending(one => one.Item2).ToArray())
            {
                string put = mutant.Replace.Replace("MUTANT", $"global::Portmap.MutantSwitch.Is({mutant.Number})", StringComparison.Ordinal);
                text = text[..at] + put + text[(at + mutant.Find.Length)..];
            }

            mutated[file.Key] = text;
        }

        foreach (string package in s_packages)
        {
            mutated[$"src/{package}/MutantSwitch.cs"] = Switch;
        }

        HashSet<string> written = [.. mutated.Keys];
        foreach (string file in Run("git", "ls-files", "--cached", "--others", "--exclude-standard"))
        {
            string from = Path.Combine(repository, file);
            if (File.Exists(from) && written.Add(file))
            {
                Put(file, File.ReadAllBytes(from));
            }
        }

        foreach ((string file, string text) in mutated)
        {
            Put(file, Encoding.UTF8.GetBytes(text));
        }

        foreach (string file in Directory.EnumerateFiles(Folder, "*.cs", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(Folder, file).Replace('\\', '/');
            if (!written.Contains(name) && !name.Contains("/obj/", StringComparison.Ordinal) && !name.Contains("/bin/", StringComparison.Ordinal))
            {
                File.Delete(file);   // of an earlier run
            }
        }
    }

    /// <summary>Builds test projects of the copy, by one build that finds what they share once. A
    /// mutant is no style to be checked, so analyzers are off.</summary>
    public void Build(IEnumerable<string> projects)
    {
        string filter = Path.Combine(Folder, "Mutants.slnf");
        string names = string.Join(", ", projects.Select(project => $"\"tests/{project}/{project}.csproj\""));
        File.WriteAllText(filter, $$"""{ "solution": { "path": "Portmap.sln", "projects": [{{names}}] } }""");
        Run("dotnet", "build", filter, "-c", "Release", "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false",
            "-p:EnforceCodeStyleInBuild=false", "-p:GenerateDocumentationFile=false", "-v:quiet", "-nologo", "-clp:ErrorsOnly");
    }

    public string AssemblyOf(string project) => Path.Combine(Folder, "tests", project, "bin", "Release", "net10.0", project + ".dll");

    private void Put(string file, byte[] content)
    {
        string to = Path.Combine(Folder, file);
        if (!File.Exists(to) || !File.ReadAllBytes(to).AsSpan().SequenceEqual(content))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.WriteAllBytes(to, content);
        }
    }

    private string[] Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { WorkingDirectory = repository, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{output}");
    }

    private static bool Overlap(string text, Mutant one, Mutant other)
    {
        int at = text.IndexOf(one.Find, StringComparison.Ordinal), otherAt = text.IndexOf(other.Find, StringComparison.Ordinal);
        return at < otherAt + other.Find.Length && otherAt < at + one.Find.Length;
    }

    private static int Count(string text, string part)
    {
        int count = 0;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }
}
