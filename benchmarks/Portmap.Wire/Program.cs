using System.Globalization;

namespace Portmap.Wire;

/// <summary>Measures the wire beside a real glusterd, prints the table, and writes it to the file
/// that is named, where it was compared: <c>-- benchmarks/WIRE.md</c>.</summary>
internal static class Program
{
    /// <summary>Nothing was missed, and nothing compared: glusterd is not installed.</summary>
    private const int NotCompared = 64;

    private const int Many = 10_000;
    private const int Outstanding = 256;

    private static async Task<int> Main(string[] args)
    {
        if (!Command.Exists("gcc") || !Command.Exists("taskset"))
        {
            await Console.Error.WriteLineAsync("Portmap.Wire: needs gcc and taskset; glusterd is measured where it is installed.");
            return 1;
        }

        using LoadClient client = new();
        Report report = new();
        using (Contest contest = new(isPinned: false))
        {
            MeasureOneBrick(client, contest, report);
            MeasureManyBricks(client, contest, report);
        }

        using (Contest contest = new(isPinned: true))
        {
            MeasureOneAtATime(client, contest, report);
        }

        report.AddBytes("bytes allocated per served lookup, over 1,000,000", await Allocation.MeasureAsync(client), most: 1);
        Console.WriteLine(report.Text);
        if (args is [{ } path] && report.IsCompared)
        {
            await File.WriteAllTextAsync(path, report.Text);
        }

        return !report.IsMet ? 1 : report.IsCompared ? 0 : NotCompared;
    }

    private static void MeasureOneBrick(LoadClient client, Contest contest, Report report)
    {
        using Contest.Both<SignedIn> signedIn = contest.Each(server => client.SignIn(server, bricks: 1, Outstanding));
        report.AddRate(
            Text($"PORTBYBRICK, one connection, {Outstanding} outstanding, 1 brick"),
            contest.InTurns(server => client.LookUp(server, bricks: 1, calls: 100_000, Outstanding)),
            least: 3);
    }

    private static void MeasureManyBricks(LoadClient client, Contest contest, Report report)
    {
        using Contest.Both<SignedIn> signedIn = contest.Each(server => client.SignIn(server, Many, Outstanding));
        string signIn = Text($"sign-in 1 → {Many:N0} by one process on one connection, {Outstanding} outstanding");
        report.AddRate(signIn + ", the first time", signedIn.Select(bricks => bricks.First), least: 5);
        report.AddRate(signIn, contest.InTurns(server => signedIn.Of(server).Again()), least: 5);
        report.AddRate(
            Text($"PORTBYBRICK, one connection, {Outstanding} outstanding, {Many:N0} bricks"),
            contest.InTurns(server => client.LookUp(server, Many, calls: server.IsOurs ? 400_000 : 5_000, Outstanding)),
            least: 20);
    }

    private static void MeasureOneAtATime(LoadClient client, Contest contest, Report report)
    {
        using Contest.Both<SignedIn> signedIn = contest.Each(server => client.SignIn(server, bricks: 1, outstanding: 1));
        report.AddMedian(
            "PORTBYBRICK one at a time, client and server on one CPU, 1 brick: p50",
            contest.InTurns(server => client.LookUp(server, bricks: 1, calls: 30_000, outstanding: 1)),
            most: 1.5);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
