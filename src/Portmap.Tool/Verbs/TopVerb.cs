using System.CommandLine;
using System.Threading.Channels;
using Portmap.Rpc;
using Portmap.Tool.Live;
using Portmap.Tool.Output;
using Spectre.Console;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap top</c>: the live picture, until q or Ctrl+C.</summary>
/// <remarks>
/// Each picture is of one listing, taken when something has changed and once a second for the ages;
/// the watch says when, and gives the rates.
/// </remarks>
internal static class TopVerb
{
    private static readonly TimeSpan s_atMost = TimeSpan.FromSeconds(1), s_atLeast = TimeSpan.FromMilliseconds(200);

    public static Command Make()
    {
        Option<IReadOnlyList<PortRange>?> range = CommonOptions.MakeRange("The ports the bar shows (default: 49152-65535, or from the first to the last entry when some lie outside).");
        return new Command("top", "Shows the map as it changes, on a terminal, until q or Ctrl+C.") { range }
            .Does((run, cancellationToken) => RunAsync(run, run.Get(range), cancellationToken));
    }

    private static async Task<int> RunAsync(Invocation run, IReadOnlyList<PortRange>? ranges, CancellationToken cancellationToken)
    {
        if (!Terminal.IsInteractive || Console.IsInputRedirected || run.Json)
        {
            Invocation.Complain("top draws on a terminal; for programs there are: portmap list --json, portmap watch --json");
            return ExitCode.Misuse;
        }

        await using PortmapClient client = await run.ConnectAsync(cancellationToken);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        IAnsiConsole screen = Terminal.OpenCanvas();
        screen.Cursor.Hide();
        screen.Profile.Out.Writer.Write("\e[?1049h");   // the alternate screen: what stood there comes back
        try
        {
            new Thread(() => ReadKeys(end)) { IsBackground = true }.Start();
            await DrawAsync(run, client, screen, ranges, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // q or Ctrl+C is how it ends.
        }
        finally
        {
            screen.Profile.Out.Writer.Write("\e[?1049l");
            screen.Cursor.Show();
            await screen.Profile.Out.Writer.FlushAsync(CancellationToken.None);
        }

        return ExitCode.Done;
    }

    private static async Task DrawAsync(Invocation run, PortmapClient first, IAnsiConsole screen, IReadOnlyList<PortRange>? ranges, CancellationToken cancellationToken)
    {
        (string Name, bool IsHere) daemon = (first.Endpoint.ToString(), await run.SeesProcessesOfAsync(first, cancellationToken));
        Rates rates = new(run.Time);
        Channel<PortChange> changes = Channel.CreateBounded<PortChange>(new BoundedChannelOptions(65_536) { FullMode = BoundedChannelFullMode.DropOldest });
        _ = WatchAsync(first, changes.Writer, cancellationToken);
        PortmapClient? client = first;
        IReadOnlyList<PortEntry> entries = [];
        try
        {
            while (true)
            {
                string trouble = string.Empty;
                try
                {
                    client ??= await run.ConnectQuietlyAsync(first.Endpoint, cancellationToken);
                    entries = (await client.SnapshotAsync(cancellationToken)).Entries;
                }
                catch (Exception exception) when (NoAnswer.Is(exception) || exception is PortRefusedException or ObjectDisposedException)
                {
                    trouble = $"as it was: {NoAnswer.Message(exception)}";
                    if (client is not null && client != first)
                    {
                        await client.DisposeAsync();
                    }

                    client = null;
                }

                while (changes.Reader.TryRead(out PortChange change))
                {
                    rates.Add(change.Kind);
                }

                Draw(run, daemon, screen, entries, ranges ?? [RangeOf(entries)], rates, trouble);
                await PauseAsync(run.Time, changes.Reader, cancellationToken);
            }
        }
        finally
        {
            if (client is not null && client != first)
            {
                await client.DisposeAsync();
            }
        }
    }

    private static void Draw(Invocation run, (string Name, bool IsHere) daemon, IAnsiConsole screen, IReadOnlyList<PortEntry> entries, IReadOnlyList<PortRange> ranges, Rates rates, string trouble)
    {
        screen.Profile.Width = Math.Max(Console.WindowWidth, 40);
        int height = Math.Max(Console.WindowHeight, 12);
        using StringWriter text = new();
        IAnsiConsole page = Terminal.OpenCanvas(text);
        page.Profile.Width = screen.Profile.Width;
        page.Write(Picture.Draw(daemon, entries, ranges, rates.ToString(), trouble, run.Now, screen.Profile.Width, height));
        string[] lines = text.ToString().TrimEnd('\n', '\r').Split('\n');

        // Home, each line with what was right of it erased, and all below: no flicker, nothing
        // left.
        screen.Profile.Out.Writer.Write($"\e[H{string.Join("\e[K\r\n", lines.Take(height - 1).Select(line => line.TrimEnd('\r')))}\e[K\e[J");
        screen.Profile.Out.Writer.Flush();
    }

    private static async Task PauseAsync(TimeProvider time, ChannelReader<PortChange> changes, CancellationToken cancellationToken)
    {
        await Task.Delay(s_atLeast, time, cancellationToken);
        using CancellationTokenSource second = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(
            changes.WaitToReadAsync(second.Token).AsTask(),
            Task.Delay(s_atMost - s_atLeast, time, second.Token));
        await second.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static async Task WatchAsync(PortmapClient client, ChannelWriter<PortChange> changes, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (PortUpdate update in client.WatchAsync(snapshots: false, cancellationToken: cancellationToken))
            {
                foreach (PortChange change in update.Changes)
                {
                    changes.TryWrite(change);
                }
            }
        }
        catch (Exception exception) when (NoAnswer.Is(exception) || exception is OperationCanceledException or PortRefusedException or ObjectDisposedException)
        {
            // The listing says what is wrong; without the watch there are no rates.
        }
    }

    private static void ReadKeys(CancellationTokenSource end)
    {
        try
        {
            while (Console.ReadKey(intercept: true).KeyChar is not ('q' or 'Q'))
            {
            }

            end.Cancel();
        }
        catch (Exception exception) when (exception is InvalidOperationException or ObjectDisposedException)
        {
            // No keys here, or the end came first.
        }
    }

    private static PortRange RangeOf(IReadOnlyList<PortEntry> entries)
    {
        PortRange usual = PortRange.Parse(new PortRegistryOptions().Ports);
        int[] ports = [.. entries.Select(entry => entry.Port).Where(port => port != 0)];
        return ports.Length == 0 || ports.All(usual.Contains) ? usual : new PortRange(ports.Min(), ports.Max());
    }
}
