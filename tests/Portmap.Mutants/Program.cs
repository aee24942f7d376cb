using System.CommandLine;
using System.Globalization;
using Portmap.Mutants;

// dotnet run --project tests/Portmap.Mutants -- [--count 20] [--seed N] [--only TEXT]
//     [--held FILE] [--project NAME] [--seconds N] [--least N] [--report FILE]
//
// PORTMAP_MUTANTS in the environment is how many are drawn, or "all", whatever --count says; with 0
// none is. The exit code is 0 only when each mutant that ran met the fate that the list gives it.
Option<int> count = new("--count") { Description = "How many are drawn; 0 is all of them.", DefaultValueFactory = _ => 20 };
Option<int?> seed = new("--seed") { Description = "The seed of the draw, as an earlier run printed it." };
Option<string?> only = new("--only") { Description = "Only those with this text in their name." };
Option<FileInfo?> held = new("--held") { Description = "Only those that this table of an earlier run tells as caught: one that is alive now is a test that got weaker." };
Option<string?> project = new("--project") { Description = "Only those that tests of this project look for." };
Option<int> seconds = new("--seconds") { Description = "After so many seconds no further one is begun once the least are; how many were judged is said. 0 is no limit." };
Option<int?> least = new("--least") { Description = "So many of those drawn are judged however long that takes. Without it half of them are." };
Option<FileInfo?> report = new("--report") { Description = "Writes the table into this file as well." };
Option<bool> check = new("--check") { Description = "Only says whether each mutant still fits its file." };
Option<bool> list = new("--list") { Description = "Only says the number, name, project and filter of each: MUTANT_OF_PORTMAP=NUMBER switches one on in artifacts/mutants." };
RootCommand command = new("Runs tests against sources with one small fault in them, and says which faults no test noticed.") { count, seed, only, held, project, seconds, least, report, check, list };
command.SetAction((result, token) =>
{
    string? wanted = Environment.GetEnvironmentVariable("PORTMAP_MUTANTS");
    if (wanted == "0")
    {
        Console.WriteLine("No mutant is drawn (PORTMAP_MUTANTS=0).");
        return Task.FromResult(0);
    }

    MutantRun run = new()
    {
        Count = wanted switch
        {
            "all" => 0,
            { Length: > 0 } => int.Parse(wanted, CultureInfo.InvariantCulture),
            _ => result.GetValue(count),
        },
        Seed = result.GetValue(seed) ?? Random.Shared.Next(1, 1_000_000),
        Only = result.GetValue(only),
        Held = result.GetValue(held) is { } table ? MutantRun.CaughtIn(File.ReadLines(table.FullName)) : null,
        Project = result.GetValue(project),
        Seconds = result.GetValue(seconds),
        Least = result.GetValue(least),
        Report = result.GetValue(report),
    };
    return result.GetValue(list) ? Task.FromResult(MutantRun.List()) : result.GetValue(check) ? Task.FromResult(MutantRun.Check()) : run.RunAsync(token);
});
return await command.Parse(args).InvokeAsync().ConfigureAwait(false);
