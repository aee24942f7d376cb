using System.CommandLine;
using Portmap.Rpc;
using Portmap.Tool.Host;
using Portmap.Tool.Output;
using Spectre.Console;

namespace Portmap.Tool;

/// <summary>One run of a verb: what was asked for, and where the answer goes.</summary>
internal sealed class Invocation(ParseResult arguments) : IDisposable
{
    /// <summary>A wait that is over sooner is not worth a word.</summary>
    private static readonly TimeSpan s_unnoticed = TimeSpan.FromMilliseconds(300);

    private IAnsiConsole? _screen;

    /// <summary>What was asked for.</summary>
    public ParseResult Arguments => arguments;

    public bool Json { get; } = arguments.GetValue(CommonOptions.Json);

    public TimeSpan Timeout { get; private init; } = arguments.GetValue(CommonOptions.Timeout) ?? TimeSpan.FromSeconds(5);

    public TimeProvider Time { get; } = TimeProvider.System;

    public TextWriter Out { get; } = Terminal.OpenOut();

    public IAnsiConsole Screen => _screen ??= Terminal.OpenScreen(Out);

    public DateTimeOffset Now => Time.GetUtcNow();

    /// <summary>The daemon that is meant, unless it is the environment that says so.</summary>
    private PortmapEndpoint? Endpoint { get; } = arguments.GetValue(CommonOptions.Endpoint);

    /// <summary>Somebody said that a daemon is there.</summary>
    public bool NamesEndpoint => Endpoint is not null || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(PortmapVariables.Endpoint));

    /// <summary>One for somebody who waits with a finger on the tab key: a second, or as long as the
    /// line says.</summary>
    public static Invocation ForCompletion(ParseResult arguments) => new(arguments) { Timeout = arguments.GetValue(CommonOptions.Timeout) ?? TimeSpan.FromSeconds(1) };

    public T? Get<T>(Option<T> option) => arguments.GetValue(option);

    public T Get<T>(Argument<T> argument) => arguments.GetRequiredValue(argument);

    /// <summary>Connects to the daemon.</summary>
    public Task<PortmapClient> ConnectAsync(CancellationToken cancellationToken) =>
        WaitAsync(
            PortmapClient.ConnectAsync(Endpoint ?? CommonOptions.EndpointOfEnvironment, new PortmapClientOptions { ConnectTimeout = Timeout, CallTimeout = Timeout }, cancellationToken),
            "the daemon");

    /// <summary>Connects without a word.</summary>
    public Task<PortmapClient> ConnectQuietlyAsync(PortmapEndpoint endpoint, CancellationToken cancellationToken) =>
        PortmapClient.ConnectAsync(endpoint, new PortmapClientOptions { ConnectTimeout = Timeout, CallTimeout = Timeout }, cancellationToken);

    /// <summary>Whether the processes that a daemon names are those of this host's /proc.</summary>
    public async Task<bool> SeesProcessesOfAsync(PortmapClient client, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = new(Timeout, Time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            return await HostProcesses.AreThoseOfAsync(client.Endpoint, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Waits, and says so on a terminal when it takes long.</summary>
    public async Task<T> WaitAsync<T>(Task<T> task, string what)
    {
        if (Terminal.OpenProgress() is { } progress && !task.IsCompleted)
        {
            await Task.WhenAny(task, Task.Delay(s_unnoticed, Time, CancellationToken.None));
            if (!task.IsCompleted)
            {
                await progress.Status().StartAsync(
                    Markup.Escape(Words.Text($"waiting for {what}, at most {Timeout.TotalSeconds:0.##} s")),
                    async _ => await Task.WhenAny(task));
            }
        }

        return await task;
    }

    public void Write(TextTable table)
    {
        if (Console.IsOutputRedirected)
        {
            table.Columns[^1].PadRight(0);
        }

        Screen.Write(table);
    }

    public static void Complain(string message) => Console.Error.WriteLine($"portmap: {Diagnostics.Printable.Of(message.ReplaceLineEndings(" "))}");

    public void Dispose() => Out.Dispose();
}
