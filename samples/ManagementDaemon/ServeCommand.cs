using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon;

/// <summary>The verb <c>serve</c>: the daemon for others, until a signal ends it.</summary>
internal static class ServeCommand
{
    public const string Verb = "serve";
    public const string Ready = "ready";

    public static async Task<int> RunAsync(DaemonSettings settings, CancellationToken cancellationToken)
    {
        bool isReady = false;
        try
        {
            await DaemonHost.RunAsync(
                settings,
                (host, token) =>
                {
                    isReady = true;
                    return UntilSignalAsync(host, token);
                },
                cancellationToken);
            return ExitCode.Success;
        }
        catch (OperationCanceledException) when (!isReady)
        {
            return ExitCode.Success;   // a signal came first
        }
        catch (Exception e) when (e is OptionsValidationException or ArgumentException or FormatException or InvalidOperationException)
        {
            return await ComplainAsync($"{e.Message} {e.InnerException?.Message}".TrimEnd(), ExitCode.BadArguments);   // the binder names the key inside
        }
        catch (AggregateException e) when (e.Flatten().InnerExceptions.All(one => one is OptionsValidationException))
        {
            return await ComplainAsync(string.Join(' ', e.Flatten().InnerExceptions.Select(one => one.Message)), ExitCode.BadArguments);
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or PortRefusedException)
        {
            return await ComplainAsync(e.Message, ExitCode.Failure);
        }
    }

    private static async Task UntilSignalAsync(IHost host, CancellationToken cancellationToken)
    {
        await Console.Out.WriteLineAsync($"{Ready} {string.Join(' ', host.Services.GetRequiredService<PortmapServer>().Endpoints)}");
        await host.WaitForShutdownAsync(cancellationToken);
    }

    private static async Task<int> ComplainAsync(string message, int exitCode)
    {
        await Console.Error.WriteLineAsync($"{CommandLine.Name}: {message.ReplaceLineEndings(" ")}");
        return exitCode;
    }
}
