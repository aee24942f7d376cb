using System.Diagnostics;

namespace Portmap.Mutants;

/// <summary>A copy of the working tree that holds all mutants at once, each behind a condition, so
/// that one build serves all.</summary>
/// <remarks>The environment variable <c>PORTMAP_MUTANT</c> names the number of the one that is
/// switched on; without it the copy behaves as the sources it was made of.</remarks>
internal sealed class MutantTree(string repository, string folder)
{
    private const string Switch = """
        namespace Portmap;

        internal static class MutantSwitch
        {
            private static readonly string? s_on = System.Environment.GetEnvironmentVariable("PORTMAP_MUTANT");
            private static readonly int s_number = s_on is null ? 0 : int.Parse(s_on, System.Globalization.CultureInfo.InvariantCulture);

            public static bool Is(int number) => s_number == number;
        }

        """;

    /// <summary>The packages whose sources get mutants.</summary>
    private static readonly string[] s_packages = ["Portmap", "Portmap.Rpc"];

    public string Folder { get; } = folder;

    /// <summary>Says of each mutant that does not fit its file any more what is wrong. Empty: all
    /// of them fit.</summary>
    public static IEnumerable<string> Misfits(string repository, IEnumerable<Mutant> mutants)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (Mutant mutant in mutants)
        {
            string path = Path.Combine(repository, mutant.File);
            int count = File.Exists(path) ? Count(File.ReadAllText(path), mutant.Find) : -1;
            string? complaint = !seen.Add(mutant.Id) ? "stands twice in the list"
                : !mutant.Replace.Contains("MUTANT", StringComparison.Ordinal) ? "has no condition MUTANT"
                : count == -1 ? $"has no file {mutant.File}"
                : count != 1 ? $"finds its text {count} times in {mutant.File}, which must be once"
                : null;
            if (complaint is not null)
            {
                yield return $"{mutant.Id}: {complaint}.";
            }
        }
    }

    public void Write(IEnumerable<Mutant> mutants)
    {
        if (Directory.Exists(Folder))
        {
            Directory.Delete(Folder, recursive: true);
        }

        foreach (string file in Run("git", "ls-files", "--cached", "--others", "--exclude-standard"))
        {
            string from = Path.Combine(repository, file);
            if (File.Exists(from))
            {
                string to = Path.Combine(Folder, file);
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(from, to);
            }
        }

        foreach (Mutant mutant in mutants)
        {
            string path = Path.Combine(Folder, mutant.File);
            string text = mutant.Replace.Replace("MUTANT", $"global::Portmap.MutantSwitch.Is({mutant.Number})", StringComparison.Ordinal);
            File.WriteAllText(path, File.ReadAllText(path).Replace(mutant.Find, text, StringComparison.Ordinal));
        }

        foreach (string package in s_packages)
        {
            File.WriteAllText(Path.Combine(Folder, "src", package, "MutantSwitch.cs"), Switch);
        }
    }

    /// <summary>Builds test projects of the copy. A mutant is no style to be checked, so analyzers
    /// are off.</summary>
    public void Build(IEnumerable<string> projects)
    {
        foreach (string project in projects)
        {
            Run("dotnet", "build", Path.Combine(Folder, "tests", project), "-c", "Release", "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false",
                "-p:EnforceCodeStyleInBuild=false", "-v:quiet", "-nologo", "-clp:ErrorsOnly");
        }
    }

    public string AssemblyOf(string project) => Path.Combine(Folder, "tests", project, "bin", "Release", "net10.0", project + ".dll");

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
