using System.CommandLine;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap kept FOLDER</c>: what a registry could not read and kept aside.</summary>
internal static class KeptVerb
{
    private const string Damaged = ".damaged-", Found = ".found-";

    public static Command Make()
    {
        Argument<DirectoryInfo> folder = new Argument<DirectoryInfo>("FOLDER") { Description = "The folder of the state." }.ThatIsAPath();
        return new Command("kept", "Lists the files that were kept aside in a state folder: damaged parts, and files found in our places. No daemon deletes them.") { folder }
            .Does((run, _) => Task.FromResult(Run(run, run.Get(folder))));
    }

    private static int Run(Invocation run, DirectoryInfo folder)
    {
        FileInfo[] files = FileFailedException.Try<FileInfo[]>(() => [.. folder.EnumerateFiles("portmap*").Where(file => Why(file) is not null).OrderBy(file => file.LastWriteTimeUtc)]);
        if (files.Length == 0)
        {
            Invocation.Complain($"Nothing was kept aside in {folder.FullName}.");
            return ExitCode.Nothing;
        }

        TextTable table = Tables.Make("FILE", "BYTES", "WRITTEN", "WHY");
        foreach (FileInfo file in files)
        {
            DateTimeOffset written = new(file.LastWriteTimeUtc);
            if (run.Json)
            {
                Lines.Write(run.Out, json =>
                {
                    json.WriteString("file", file.FullName);
                    json.WriteNumber("bytes", file.Length);
                    json.WriteString("written", written);
                    json.WriteString("why", Why(file));
                });
            }

            Tables.Add(table, Words.Of(file.FullName), Words.Text($"{file.Length}"), Words.Text($"{written:yyyy-MM-dd HH:mm:ss'Z'}"), Why(file)!);
        }

        if (!run.Json)
        {
            run.Write(table);
        }

        return ExitCode.Done;
    }

    private static string? Why(FileInfo file) =>
        file.Name.Contains(Damaged, StringComparison.Ordinal) ? "damaged"
        : file.Name.Contains(Found, StringComparison.Ordinal) ? "found"
        : null;
}
