using System.CommandLine;
using System.Globalization;
using Portmap.Mutants;

// dotnet run --project tests/Portmap.Mutants -- [--count 20] [--seed N] [--only TEXT] [--seconds N] [--report FILE]
//
// PORTMAP_MUTANTS in the environment is how many are drawn, or "all", whatever --count says. The
// exit code is 0 only when each mutant that ran met the fate that the list gives it.
Option<int> count = new("--count") { Description = "How many are drawn; 0 is all of them.", DefaultValueFactory = _ => 20 };
Option<int?> seed = new("--seed") { Description = "The seed of the draw, as an earlier run printed it." };
Option<string?> only = new("--only") { Description = "Only those with this text in their name." };
Option<int> seconds = new("--seconds") { Description = "After so many seconds no further one is begun; those left are reported. 0 is no limit." };
Option<FileInfo?> report = new("--report") { Description = "Writes the table into this file as well." };
Option<bool> check = new("--check") { Description = "Only says whether each mutant still fits its file." };
RootCommand command = new("Runs tests against sources with one small fault in them, and says which faults no test noticed.") { count, seed, only, seconds, report, check };
command.SetAction((result, token) =>
{
    MutantRun run = new()
    {
        Count = Environment.GetEnvironmentVariable("PORTMAP_MUTANTS") switch
        {
            "all" => 0,
            { Length: > 0 } wanted => int.Parse(wanted, CultureInfo.InvariantCulture),
            _ => result.GetValue(count),
        },
        Seed = result.GetValue(seed) ?? Random.Shared.Next(1, 1_000_000),
        Only = result.GetValue(only),
        Seconds = result.GetValue(seconds),
        Report = result.GetValue(report),
    };
    return result.GetValue(check) ? Task.FromResult(MutantRun.Check()) : run.RunAsync(token);
});
return await command.Parse(args).InvokeAsync().ConfigureAwait(false);
