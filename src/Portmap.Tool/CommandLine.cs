using System.CommandLine;
using System.CommandLine.Help;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;
using Portmap.Tool.Verbs;
using Portmap.Tool.Verbs.Fleet;

namespace Portmap.Tool;

/// <summary>The verbs, and what happens when one does not go well.</summary>
internal static class CommandLine
{
    public const string Name = "portmap";

    private static readonly VersionOption s_version = new();

    /// <summary>How long a verb may take to end when a signal tells it to.</summary>
    private static readonly TimeSpan s_endTimeout = TimeSpan.FromSeconds(10);

    /// <summary>What it ends with when a signal tells it to.</summary>
    private static int s_interrupted = ExitCode.Interrupted;

    public static Command Build()
    {
        Command root = new(Name, "Asks a Portmap daemon who holds which port, and looks at hosts and state files.")
        {
            new HelpOption("--help", "-h"),
            s_version,
            CommonOptions.Endpoint,
            CommonOptions.Timeout,
            CommonOptions.Json,
            ListVerb.Make(),
            LookupVerb.Make(),
            WhoVerb.Make(),
            WatchVerb.Make(),
            ReleaseVerb.Make(),
            PingVerb.Make(),
            TopVerb.Make(),
            DoctorVerb.Make(),
            StateVerbs.Make(),
            KeptVerb.Make(),
            FleetVerbs.Make(),
            CompletionVerb.Make(),
            CompletionVerb.MakeComplete(),
        };
        return root;
    }

    public static async Task<int> RunAsync(string[] args)
    {
        Command root = Build();
        ParseResult arguments = root.Parse(args, Parsing);
        bool isHelp = arguments.Action is HelpAction || (arguments.Tokens.Count == 1 && arguments.GetResult(s_version) is { Implicit: false });
        string? wrong = UnknownWord.Complaint(arguments) ?? arguments.Errors.Select(error => error.Message).FirstOrDefault();
        if (wrong is not null && !isHelp)
        {
            string verb = string.Join(' ', arguments.CommandResult.Command.Parents.Select(parent => parent.Name).Append(arguments.CommandResult.Command.Name));
            Invocation.Complain($"{wrong} Try: {verb} --help");
            return ExitCode.Misuse;
        }

        CancellationTokenSource end = new();   // never disposed: a signal may come as we end
        TaskCompletionSource ended = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End), terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        try
        {
            // The handlers of System.CommandLine do not say which signal came.
            return await arguments.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, end.Token);
        }
        finally
        {
            ended.SetResult();
        }

        void End(PosixSignalContext signal)
        {
            Volatile.Write(ref s_interrupted, signal.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted);
            end.Cancel();
            signal.Cancel = ended.Task.Wait(s_endTimeout);   // else the signal does what it does to any program
        }
    }

    /// <summary>An owner may begin with @, which is not the name of a file of arguments
    /// here.</summary>
    public static ParserConfiguration Parsing { get; } = new() { ResponseFileTokenReplacer = null };

    /// <summary>Gives a command its work.</summary>
    public static Command Does(this Command command, Func<Invocation, CancellationToken, Task<int>> work)
    {
        command.SetAction((arguments, cancellationToken) => RunAsync(arguments, work, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult arguments, Func<Invocation, CancellationToken, Task<int>> work, CancellationToken cancellationToken)
    {
        Invocation invocation = new(arguments);
        try
        {
            int exitCode = ExitCode.Internal;
            try
            {
                exitCode = await work(invocation, cancellationToken);
            }
            finally
            {
                invocation.Dispose();   // writes what is left, also before what went wrong is told
            }

            return exitCode;
        }
        catch (ReaderGoneException)
        {
            return ExitCode.Done;   // head(1) has what it wanted
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return Volatile.Read(ref s_interrupted);
        }
        catch (PortRefusedException exception)
        {
            string message = Words.WithCut(Words.WithCut(exception.Message, exception.Refusal.Owner), exception.Refusal.Holder);
            return Fail(Words.Text($"{exception.Refusal.Reason}: {message}"), ExitCode.Refused);
        }
        catch (FormatException exception)
        {
            return Fail(exception.Message, ExitCode.Misuse);   // PORTMAP_ENDPOINT, ETCDCTL_ENDPOINTS
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or OutputFailedException or FileFailedException or CryptographicException)
        {
            return Fail(exception.Message, ExitCode.Unreadable);
        }
        catch (Exception exception) when (NoAnswer.Is(exception))
        {
            return Fail(NoAnswer.Message(exception), ExitCode.Unreachable);
        }
#pragma warning disable CA1031 // whatever it is, a script gets a code that means nothing else
        catch (Exception exception)
#pragma warning restore CA1031
        {
            await Console.Error.WriteLineAsync($"portmap: a mistake of this program: {exception}");
            return ExitCode.Internal;
        }
    }

    private static int Fail(string message, int exitCode)
    {
        Invocation.Complain(message);
        return exitCode;
    }
}
