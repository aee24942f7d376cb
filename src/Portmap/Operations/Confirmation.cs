using System.Diagnostics;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Drives operations: at once, or over the turns of a store that confirms.</summary>
/// <remarks>What was begun is completed, whether the caller waits for it or not. An operation that
/// still waits when the store has ended is told that the registry is disposed.</remarks>
internal sealed class Confirmation(RegistryParts parts)
{
    /// <summary>Makes the steps of an operation on a registry that does not confirm.</summary>
    /// <returns>Why it was refused, or null.</returns>
    public static PortRefusal? Now<T>(ref T operation)
        where T : struct, IOperation
    {
        while (true)
        {
            Answer answer = operation.Step();
            bool isOver = answer.Kind switch
            {
                AnswerKind.Done => true,
                AnswerKind.Refused => true,
                AnswerKind.Again => false,
                AnswerKind.Wait => throw new UnreachableException("Only a registry that confirms has anything to wait for."),
            };
            if (isOver)
            {
                return answer.Refusal;
            }
        }
    }

    /// <summary>As <see cref="Now"/>, for an operation that has begun something which ends when a step
    /// throws.</summary>
    public static PortRefusal? NowOrThrown<T>(ref T operation)
        where T : struct, IOperation
    {
        try
        {
            return Now(ref operation);
        }
        catch (Exception exception)
        {
            operation.WhenThrown(exception);
            throw;
        }
    }

    /// <summary>What a step of an acquisition answers. Before it is told that nothing is free, the
    /// ends that are on their way to the disk come there, once.</summary>
    /// <param name="mayBringPorts"><see cref="MayBringPorts"/>, asked before the step: what comes to
    /// the disk during it may be free by now, and the step has not seen it.</param>
    /// <param name="answer">The answer of the step.</param>
    /// <param name="hasWaited">Whether the acquisition has waited for anything.</param>
    public static Answer AfterPendingEnds(bool mayBringPorts, Answer answer, ref bool hasWaited)
    {
        if (answer.Refusal?.Reason == PortRefusalReason.Exhausted && !hasWaited && mayBringPorts)
        {
            answer = Answer.Wait(AwaitedFact.OfAnyEnd);
        }

        hasWaited |= answer.Kind == AnswerKind.Wait;
        return answer;
    }

    /// <summary>Whether ends are on their way to the disk, behind which ports are free.</summary>
    public static bool MayBringPorts(RegistryParts parts)
    {
        Hook.At(Step.AskWriter);
        return parts.Journal is { Confirms: true, IsIdle: false };
    }

    /// <summary>Waits for what was begun, at most as long as the caller wants to.</summary>
    public static ValueTask<T> Within<T>(Task<T> task, CancellationToken cancellationToken) => new(task.WaitAsync(cancellationToken));

    /// <inheritdoc cref="Within{T}"/>
    public static ValueTask Within(Task task, CancellationToken cancellationToken) => new(task.WaitAsync(cancellationToken));

    /// <summary>As <see cref="StepsAsync"/>, for an operation that takes a port or an
    /// owner.</summary>
    /// <remarks>While the store fails, one look at it comes before: else each try would leave one
    /// more port that waits for the disk. A refusal is told when what was withdrawn because of it
    /// is on disk, as if it had never been.</remarks>
    public async ValueTask<Completed<T>> RunAsync<T>(T operation)
        where T : struct, IOperation
    {
        if (parts.Journal is { Confirms: true, IsFailing: true } failing && await failing.FlushAsync().ConfigureAwait(false) is { } failure
            && operation.WhenStoreFails(failure) is { } refusal)
        {
            return new Completed<T>(operation, refusal);
        }

        Completed<T> completed = await StepsAsync(operation).ConfigureAwait(false);
        if (completed.HasWaited && completed.Refusal is not null && parts.Journal is { Confirms: true, IsFailing: false } journal)
        {
            await journal.FlushAsync().ConfigureAwait(false);
        }

        return completed;
    }

    /// <summary>Makes the steps of an operation, and awaits the turn of the store's writer where
    /// one has to.</summary>
    public async ValueTask<Completed<T>> StepsAsync<T>(T operation)
        where T : struct, IOperation
    {
        bool hasWaited = false;
        try
        {
            while (true)
            {
                bool isLast = parts.Journal is { HasEnded: true };   // before the step: what it waits for then never comes
                Task<Exception?>? turn = parts.Journal?.Turn;   // before the step, so that what it waits for completes this turn or an earlier one
                Answer answer = operation.Step();
                bool isOver = answer.Kind switch
                {
                    AnswerKind.Done => true,
                    AnswerKind.Refused => true,
                    AnswerKind.Again => false,
                    AnswerKind.Wait => isLast ? throw new ObjectDisposedException(nameof(PortRegistry)) : false,
                };
                if (isOver)
                {
                    return new Completed<T>(operation, answer.Refusal, hasWaited);
                }

                if (answer.Kind == AnswerKind.Wait)
                {
                    hasWaited = true;
                    parts.Journal!.Kick();
                    if (await turn!.ConfigureAwait(false) is { } failure && operation.WhenStoreFails(failure) is { } refusal)
                    {
                        return new Completed<T>(operation, refusal);
                    }
                }
            }
        }
        catch (Exception exception)
        {
            operation.WhenThrown(exception);
            throw;
        }
    }
}

/// <summary>An operation that is over.</summary>
/// <param name="Operation">What it came to.</param>
/// <param name="Refusal">Why it was refused, or null.</param>
/// <param name="HasWaited">It was over only after a turn of the store.</param>
internal readonly record struct Completed<T>(T Operation, PortRefusal? Refusal, bool HasWaited = false);
